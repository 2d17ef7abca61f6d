# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Pure functions on tensors and arrays; import the module that holds the one you need."""
