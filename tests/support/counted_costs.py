"""What ``python -m reference_model.info`` prints, and configurations to count."""

import dataclasses
import io
from contextlib import redirect_stdout

from reference_model.info import info_command


def printed(*arguments):
    """The output of a command that ends well."""
    out = io.StringIO()
    with redirect_stdout(out):
        assert info_command(arguments) == 0
    return out.getvalue()


def changed(config, **mjd):
    """The configuration with other fields of MJD."""
    return dataclasses.replace(config, mjd=dataclasses.replace(config.mjd, **mjd))
