"""What ``python -m reference_model.info`` prints."""

import io
from contextlib import redirect_stdout

from reference_model.info import info_command


def printed(*arguments):
    """The output of a command that ends well."""
    out = io.StringIO()
    with redirect_stdout(out):
        assert info_command(arguments) == 0
    return out.getvalue()
