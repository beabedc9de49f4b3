"""Coverage-guided fuzzing of one reader: ``python tests/fuzz/atheris_readers.py READER CORPUS [-max_total_time=300 ...]``.

Needs ``pip install atheris`` (Linux and macOS).  READER is one of ``tests/support/untrusted_readers.py``; CORPUS is a folder for inputs, which starts
with a valid file.  Further arguments are libFuzzer's.  An error other than the reader's own, a crash, over 20 s or over 2 GiB ends it with the input
in a file; every new file beside the input is a defect, too.
"""

import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
INSTRUMENTED = [
    "zipfile", "tomllib", "pickle", "numpy.lib._format_impl", "hoibench.store", "hoibench.predictions", "hoibench.video", "hoibench.clip_file",
    "hoibench.results", "hoibench.methods.exchange", "hoibench.methods.geometry_file", "hoibench.submissions",
]  # fmt: skip

with atheris.instrument_imports(include=INSTRUMENTED):
    from untrusted_readers import ALLOWED, READERS, make_folder

LIMITS = ["-timeout=20", "-rss_limit_mb=2048", "-max_len=20000", "-print_final_stats=1", "-use_value_profile=1"]


def main() -> None:
    name, corpus, *flags = sys.argv[1:]
    Path(corpus).mkdir(parents=True, exist_ok=True)
    reader = READERS[name]
    with tempfile.TemporaryDirectory() as outer:
        folder = Path(outer) / "files"
        Path(corpus, "valid").write_bytes(make_folder(name, folder))
        file = folder / reader.file
        expected = set(Path(outer).rglob("*"))

        def read(data: bytes) -> None:
            file.write_bytes(data)
            try:
                reader.read(file)
            except ALLOWED as error:
                if str(folder) not in str(error) and file.name not in str(error):
                    raise RuntimeError(f"the error does not name the file: {error!r}") from error
            if set(Path(outer).rglob("*")) != expected:
                raise RuntimeError(f"files were written: {set(Path(outer).rglob('*')) - expected}")

        atheris.Setup([sys.argv[0], corpus, *LIMITS, *flags], read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
