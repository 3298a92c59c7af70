"""The search over parameters."""

from isthmus.search.candidates import check_parameter_name as check_parameter_name
from isthmus.search.candidates import parameters_in_words as parameters_in_words
from isthmus.search.tune import Search as Search
from isthmus.search.tune import tune as tune
