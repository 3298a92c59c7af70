"""Files in and out; knows no JAX."""

from importlib import import_module
from typing import TYPE_CHECKING

_HOMES = {
    "bad_rows": ["row_problems"],
    "blocks.blocks": ["Blocks"],
    "blocks.chosen": ["ChosenBlocks"],
    "blocks.opening": ["open_blocks", "open_text"],
    "blocks.text": ["TextBlocks"],
    "atomic": ["FileError", "keep_previous", "previous_of", "write_whole"],
    "blocks.spool": ["Spool"],
    "choices": ["NoRoomError", "TableError"],
    "columns": ["choose_columns", "looks_headless", "used_columns"],
    "endings": ["IMAGE_ENDINGS", "TEXT_ENDINGS", "file_ending", "file_stem"],
    "image_file": ["MOST_OF_PILLOW", "nearest_pixels"],
    "image_folder": [
        "LOSSLESS_FORMATS",
        "ImageFolder",
        "Images",
        "check_image_folder",
        "image_paths",
        "make_folders",
        "read_images",
        "to_pixels",
        "write_images",
        "write_picture",
    ],
    "growing": ["Growing", "growing_lines", "growing_table"],
    "labels": ["column_values", "column_words"],
    "plain": ["as_json"],
    "folders": ["table_files"],
    "lists": ["spread_lists"],
    "numbers": ["numbers_of"],
    "optional": ["needed"],
    "patches": ["Patches", "places_of"],
    "pictures": ["PictureArrays", "PictureFiles", "Pictures"],
    "places": ["Numbered", "row_place"],
    "reading": ["options_of", "reader"],
    "streams": ["discard", "lasting_errors"],
    "style": ["Style"],
    "styled": ["style_of"],
    "table": ["Rows", "Table"],
    "tabled": ["typed_table"],
    "tables": [
        "check_table_output",
        "csv_text",
        "read_table",
        "write_array",
        "write_table",
    ],
    "tensors": ["DIGEST", "ModelFileError", "read_tensors", "write_model_bytes", "write_tensors"],
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

if TYPE_CHECKING:
    from isthmus.io.atomic import FileError as FileError
    from isthmus.io.atomic import keep_previous as keep_previous
    from isthmus.io.atomic import previous_of as previous_of
    from isthmus.io.atomic import write_whole as write_whole
    from isthmus.io.bad_rows import row_problems as row_problems
    from isthmus.io.blocks.blocks import Blocks as Blocks
    from isthmus.io.blocks.chosen import ChosenBlocks as ChosenBlocks
    from isthmus.io.blocks.opening import open_blocks as open_blocks
    from isthmus.io.blocks.opening import open_text as open_text
    from isthmus.io.blocks.spool import Spool as Spool
    from isthmus.io.blocks.text import TextBlocks as TextBlocks
    from isthmus.io.choices import NoRoomError as NoRoomError
    from isthmus.io.choices import TableError as TableError
    from isthmus.io.columns import choose_columns as choose_columns
    from isthmus.io.columns import looks_headless as looks_headless
    from isthmus.io.columns import used_columns as used_columns
    from isthmus.io.endings import IMAGE_ENDINGS as IMAGE_ENDINGS
    from isthmus.io.endings import TEXT_ENDINGS as TEXT_ENDINGS
    from isthmus.io.endings import file_ending as file_ending
    from isthmus.io.endings import file_stem as file_stem
    from isthmus.io.folders import table_files as table_files
    from isthmus.io.growing import Growing as Growing
    from isthmus.io.growing import growing_lines as growing_lines
    from isthmus.io.growing import growing_table as growing_table
    from isthmus.io.image_file import MOST_OF_PILLOW as MOST_OF_PILLOW
    from isthmus.io.image_file import nearest_pixels as nearest_pixels
    from isthmus.io.image_folder import LOSSLESS_FORMATS as LOSSLESS_FORMATS
    from isthmus.io.image_folder import ImageFolder as ImageFolder
    from isthmus.io.image_folder import Images as Images
    from isthmus.io.image_folder import check_image_folder as check_image_folder
    from isthmus.io.image_folder import image_paths as image_paths
    from isthmus.io.image_folder import make_folders as make_folders
    from isthmus.io.image_folder import read_images as read_images
    from isthmus.io.image_folder import to_pixels as to_pixels
    from isthmus.io.image_folder import write_images as write_images
    from isthmus.io.image_folder import write_picture as write_picture
    from isthmus.io.labels import column_values as column_values
    from isthmus.io.labels import column_words as column_words
    from isthmus.io.lists import spread_lists as spread_lists
    from isthmus.io.numbers import numbers_of as numbers_of
    from isthmus.io.optional import needed as needed
    from isthmus.io.patches import Patches as Patches
    from isthmus.io.patches import places_of as places_of
    from isthmus.io.pictures import PictureArrays as PictureArrays
    from isthmus.io.pictures import PictureFiles as PictureFiles
    from isthmus.io.pictures import Pictures as Pictures
    from isthmus.io.places import Numbered as Numbered
    from isthmus.io.places import row_place as row_place
    from isthmus.io.plain import as_json as as_json
    from isthmus.io.reading import options_of as options_of
    from isthmus.io.reading import reader as reader
    from isthmus.io.streams import discard as discard
    from isthmus.io.streams import lasting_errors as lasting_errors
    from isthmus.io.style import Style as Style
    from isthmus.io.styled import style_of as style_of
    from isthmus.io.table import Rows as Rows
    from isthmus.io.table import Table as Table
    from isthmus.io.tabled import typed_table as typed_table
    from isthmus.io.tables import check_table_output as check_table_output
    from isthmus.io.tables import csv_text as csv_text
    from isthmus.io.tables import read_table as read_table
    from isthmus.io.tables import write_array as write_array
    from isthmus.io.tables import write_table as write_table
    from isthmus.io.tensors import DIGEST as DIGEST
    from isthmus.io.tensors import ModelFileError as ModelFileError
    from isthmus.io.tensors import read_tensors as read_tensors
    from isthmus.io.tensors import write_model_bytes as write_model_bytes
    from isthmus.io.tensors import write_tensors as write_tensors
else:

    def __getattr__(name: str) -> object:
        """Import at the first use: who writes a model file needs neither polars nor Pillow."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
