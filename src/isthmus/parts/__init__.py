"""What fills the slots of the equation."""

from isthmus.parts.architectures import Architecture as Architecture
from isthmus.parts.architectures import Conv as Conv
from isthmus.parts.architectures import LayerPlan as LayerPlan
from isthmus.parts.architectures import Plan as Plan
from isthmus.parts.corruptions import Corruption as Corruption
from isthmus.parts.corruptions import CustomCorruption as CustomCorruption
from isthmus.parts.corruptions import corrupt_in_turn as corrupt_in_turn
from isthmus.parts.likelihoods import BCE as BCE
from isthmus.parts.losses import MSE as MSE
from isthmus.parts.losses import CustomLoss as CustomLoss
from isthmus.parts.losses import Loss as Loss
from isthmus.parts.losses import largest_at_most as largest_at_most
from isthmus.parts.part import Part as Part
from isthmus.parts.part import build as build
from isthmus.parts.part import number as number
from isthmus.parts.part import option as option
from isthmus.parts.part import resolve as resolve
from isthmus.parts.part import resolve_all as resolve_all
from isthmus.parts.part import split_list as split_list
from isthmus.parts.part import value_of_text as value_of_text
from isthmus.parts.penalties import CustomPenalty as CustomPenalty
from isthmus.parts.penalties import Penalty as Penalty
from isthmus.parts.sparsity import Sparsity as Sparsity
