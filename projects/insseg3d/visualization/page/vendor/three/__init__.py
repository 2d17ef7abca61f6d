# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""three.js 0.185.0 (MIT, LICENSE.txt), package data that is copied into the pages.

The files are unedited copies of ``build/three.core.min.js``, ``build/three.module.min.js``,
``examples/jsm/controls/OrbitControls.js`` and ``LICENSE`` from the npm package ``three``. Release
0.185.0 is the last one with minified builds; 0.186.0 and 0.187.0 have none. To change the version,
copy the same four files and enter their checksums in ``SHA256``.
"""

SHA256 = {
    'three.core.min.js': '0e9dd2793e01d0d9eb4f2ab00b4ffcdd4488275ebebee5c31fa8d347bc29f0bf',
    'three.module.min.js': '86bcee248b64f44bcfc23c331ae74619061957d59cab040171dcb6fb5900beb6',
    'OrbitControls.js': 'faabb4e8dfd9235ee4a9fd7c9a3d75f90f1689dbd4944bd6fd32117dacec5f93',
    'LICENSE.txt': '8b378ebe60e2fe500158cb0ac71cb5e8b7d92953c2abcc63a0eb90499653b5bc',
}
