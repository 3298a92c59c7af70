"""Rows that arrive one after the other: decisions as they come, and an alarm when they drift."""

from isthmus.streams.decisions import Decisions as Decisions
from isthmus.streams.file import read_state as read_state
from isthmus.streams.file import write_state as write_state
from isthmus.streams.monitor import PVALUES as PVALUES
from isthmus.streams.monitor import Monitor as Monitor
