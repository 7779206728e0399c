"""Web page: the end of a graph that a page in a browser is at."""

from . import addon as addon
