"""The scikit-learn estimator, and how it is fitted."""

from isthmus.autoencoder.estimator import Autoencoder as Autoencoder
from isthmus.autoencoder.file import pack_names as pack_names
from isthmus.autoencoder.file import pack_parameters as pack_parameters
from isthmus.autoencoder.file import plain_parameters as plain_parameters
from isthmus.autoencoder.file import unpack_autoencoder as unpack_autoencoder
from isthmus.autoencoder.file import unpack_parameters as unpack_parameters
from isthmus.autoencoder.many import Course as Course
from isthmus.autoencoder.many import Courses as Courses
from isthmus.autoencoder.many import advance_training as advance_training
from isthmus.autoencoder.many import are_few_rows as are_few_rows
from isthmus.autoencoder.many import begin_courses as begin_courses
from isthmus.autoencoder.many import need_one_program as need_one_program
from isthmus.autoencoder.parameters import Parameters as Parameters
from isthmus.autoencoder.parameters import check_parameters as check_parameters
from isthmus.autoencoder.rows import Rows as Rows
from isthmus.autoencoder.validation import as_images as as_images
from isthmus.autoencoder.validation import check_finite as check_finite
from isthmus.autoencoder.validation import check_one_of as check_one_of
from isthmus.autoencoder.validation import check_real as check_real
from isthmus.autoencoder.validation import check_whole as check_whole
from isthmus.autoencoder.validation import column_names as column_names
from isthmus.autoencoder.validation import layer_number as layer_number
from isthmus.autoencoder.validation import validate_rows as validate_rows
from isthmus.autoencoder.validation import validate_weights as validate_weights
