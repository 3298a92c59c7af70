"""Many models of one structure: trained in one program, asked by the group of each row, one record."""

from isthmus.fleet.file import pack_fleet as pack_fleet
from isthmus.fleet.file import unpack_fleet as unpack_fleet
from isthmus.fleet.fleet import POOLED as POOLED
from isthmus.fleet.fleet import Fleet as Fleet
from isthmus.fleet.fleet import InGroups as InGroups
from isthmus.fleet.keys import Keys as Keys
from isthmus.fleet.keys import sorted_keys as sorted_keys
from isthmus.fleet.keys import without_key as without_key
from isthmus.fleet.stack import ROWS as ROWS
from isthmus.fleet.stack import Stack as Stack
from isthmus.fleet.stack import picked as picked
from isthmus.fleet.stack import stacked_models as stacked_models
