# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""three.js 0.187.0 (MIT, LICENSE.txt), whose files pages carry (package data).

The files are, byte for byte, ``build/three.core.js``, ``build/three.module.js``,
``examples/jsm/controls/OrbitControls.js`` and ``LICENSE`` of npm's package ``three``; nothing here
was edited. For another version take the same four files of it, and their sums into ``SHA256``.
"""
SHA256 = {
    'three.core.js': '613e370f76638fdef83926642bf256dc9615684922de1ce1f63a8583e5d78578',
    'three.module.js': '104f56145899722094556490d787aae0617cc2fc3382f31df02d724ea1aee341',
    'OrbitControls.js': 'e7fca2fe9e7670a828af9b28084669a5909445b7f36f1f26cee9bf8f2961c32c',
    'LICENSE.txt': '8b378ebe60e2fe500158cb0ac71cb5e8b7d92953c2abcc63a0eb90499653b5bc',
}
