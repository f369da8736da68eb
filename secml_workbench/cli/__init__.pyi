from .program import (
    app as app,
    run as run,
)
from .entry import (
    main as main,
)
