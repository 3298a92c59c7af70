"""What the benchmarks of tables share: public tables with mixed columns, wrong cells, and peers."""
