"""Rows larger than memory, read block by block, in any order and as often as is needed."""

from isthmus.io.blocks.blocks import Blocks as Blocks
from isthmus.io.blocks.chosen import ChosenBlocks as ChosenBlocks
from isthmus.io.blocks.opening import open_blocks as open_blocks
from isthmus.io.blocks.opening import open_text as open_text
from isthmus.io.blocks.text import TextBlocks as TextBlocks
