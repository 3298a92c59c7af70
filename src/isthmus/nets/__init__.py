"""Layers, activations, convolution, random bits and the step of a training."""

from isthmus.nets.activations import ACTIVATIONS as ACTIVATIONS
from isthmus.nets.activations import BOUNDED_ACTIVATIONS as BOUNDED_ACTIVATIONS
from isthmus.nets.activations import HIDDEN_ACTIVATIONS as HIDDEN_ACTIVATIONS
from isthmus.nets.activations import magnitude as magnitude
from isthmus.nets.activations import softplus_nodes as softplus_nodes
from isthmus.nets.conv import ConvLayer as ConvLayer
from isthmus.nets.conv import TransposedConvLayer as TransposedConvLayer
from isthmus.nets.convolution import PADDINGS as PADDINGS
from isthmus.nets.convolution import Axis as Axis
from isthmus.nets.convolution import Window as Window
from isthmus.nets.graph import OLDEST_OPSET as OLDEST_OPSET
from isthmus.nets.graph import OPSET as OPSET
from isthmus.nets.graph import Graph as Graph
from isthmus.nets.graph import Stored as Stored
from isthmus.nets.graph import no_form as no_form
from isthmus.nets.layer import DenseLayer as DenseLayer
from isthmus.nets.layer import Layer as Layer
from isthmus.nets.layer import array_names as array_names
from isthmus.nets.layer import unpack_layer as unpack_layer
from isthmus.nets.net import Dropout as Dropout
from isthmus.nets.net import Net as Net
from isthmus.nets.overriding import drop_outdated as drop_outdated
from isthmus.nets.random import THREEFRY as THREEFRY
from isthmus.nets.random import normal as normal
from isthmus.nets.random import uniform as uniform
from isthmus.nets.step import Step as Step
