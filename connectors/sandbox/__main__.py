import sys

from connectors.sandbox.server import main

sys.exit(main())
