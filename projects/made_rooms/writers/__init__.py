# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Writers of made rooms in the raw layouts of ScanNet and S3DIS."""
