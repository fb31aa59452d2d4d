"""Hostile inputs and killed runs, seeded: what `make torture` runs, and a part of it `make test`.

Each module is an area. It makes inputs from a seed and a number, so that a single one can be made again, and passes
them to fusionser. A typed error is a refusal, and everything else that is no right answer is a fault.
"""

import os

# Tests of this package plant areas of their own.
__path__ += filter(None, [os.environ.get("TORTURE_PATH")])
