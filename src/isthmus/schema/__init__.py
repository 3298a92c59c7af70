"""What the columns of a person's table are taken for, and the way to compact rows and back; no JAX."""

from isthmus.schema.columns import KINDS as KINDS
from isthmus.schema.columns import MAX_LEVELS as MAX_LEVELS
from isthmus.schema.columns import UNITS as UNITS
from isthmus.schema.columns import Column as Column
from isthmus.schema.columns import Value as Value
from isthmus.schema.columns import level_texts as level_texts
from isthmus.schema.dates import to_local as to_local
from isthmus.schema.filling import filled as filled
from isthmus.schema.filling import missing_cells as missing_cells
from isthmus.schema.filling import new_columns as new_columns
from isthmus.schema.frames import columns_of as columns_of
from isthmus.schema.frames import is_arrow as is_arrow
from isthmus.schema.frames import is_frame as is_frame
from isthmus.schema.frames import is_pandas as is_pandas
from isthmus.schema.inference import NothingToLearn as NothingToLearn
from isthmus.schema.inference import infer_schema as infer_schema
from isthmus.schema.plain import is_plain as is_plain
from isthmus.schema.schema import Schema as Schema
from isthmus.schema.wording import MISSING as MISSING
from isthmus.schema.wording import cell_words as cell_words
from isthmus.schema.wording import number_words as number_words
from isthmus.schema.wording import short_text as short_text
from isthmus.schema.wording import value_words as value_words
