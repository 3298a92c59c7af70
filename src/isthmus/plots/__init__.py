"""Arrays become figures; knows matplotlib alone."""

from isthmus.plots.axes import as_png as as_png
from isthmus.plots.axes import as_svg as as_svg
from isthmus.plots.axes import file_content as file_content
from isthmus.plots.curves import column_errors as column_errors
from isthmus.plots.curves import error_against_width as error_against_width
from isthmus.plots.curves import losses as losses
from isthmus.plots.curves import mean_activations as mean_activations
from isthmus.plots.curves import signals as signals
from isthmus.plots.points import embedding as embedding
from isthmus.plots.points import missing_labels as missing_labels
from isthmus.plots.tiles import correlation as correlation
from isthmus.plots.tiles import denoised as denoised
from isthmus.plots.tiles import filters as filters
from isthmus.plots.tiles import maps as maps
from isthmus.plots.tiles import pairs as pairs
from isthmus.plots.tiles import unlike as unlike
