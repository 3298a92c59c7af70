"""One model on many machines: rows as engines hand them over, a model that workers load once."""

from isthmus.scale.parts import PARTS as PARTS
from isthmus.scale.scorer import Scorer as Scorer
from isthmus.scale.warming import warm as warm
from isthmus.training import Team as Team
from isthmus.training import TeamError as TeamError
from isthmus.training import join_team as join_team
