"""Files that Headstart does not read: what they are, and the command that makes a table of them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from headstart.foundation.errors import DatasetError

__all__ = ["COMMANDS", "CONVERSIONS", "unsupported"]

_PICKLE = ("a pickle, which can run code when it is opened", "", "", "pandas.read_pickle({file})")
_R_DATA = ("R", "Rscript -e {r_data}")
_DOCUMENT = ("a document", "copy its table into a spreadsheet, and save it as CSV")
_TORCH = ("PyTorch", "save its arrays in PyTorch: numpy.savez({npz}, X=x.numpy(), y=y.numpy())")
_MODEL = ("a model", "give the path of the data instead: headstart fit DATA")
_PROGRAM = ("a program", "give the path of the data that it reads: headstart fit DATA")
_IMAGE = ("an image", "give the folder of the class folders: headstart fit {folder}")

# By suffix: the kind of file, a package to install, a module to import, and a data frame in terms of the file.
CONVERSIONS: dict[str, tuple[str, str, str, str]] = {
    ".sav": ("SPSS", "pyreadstat", "", "pandas.read_spss({file})"),
    ".dta": ("Stata", "", "", "pandas.read_stata({file})"),
    ".sas7bdat": ("SAS", "", "", 'pandas.read_sas({file}, encoding="latin-1")'),
    ".xpt": ("SAS", "", "", 'pandas.read_sas({file}, encoding="latin-1")'),
    ".mat": (
        "MATLAB",
        "",
        "scipy.io",
        '(lambda m: pandas.DataFrame(m["X"]).assign(y=m["y"].ravel()))(scipy.io.loadmat({file}))',
    ),
    ".h5": ("HDF5", "tables", "", "pandas.read_hdf({file})"),
    ".pkl": _PICKLE,
    ".pickle": _PICKLE,
    ".arff": (
        "Weka",
        "",
        "scipy.io.arff",
        "pandas.DataFrame(scipy.io.arff.loadarff({file})[0]).map(lambda v: v.decode() if isinstance(v, bytes) else v)",
    ),
    ".orc": ("ORC", "", "", "pandas.read_orc({file})"),
    ".avro": ("Avro", "fastavro", "fastavro", 'pandas.DataFrame(fastavro.reader(open({file}, "rb")))'),
    ".svm": (
        "LIBSVM",
        "",
        "sklearn.datasets",
        "(lambda d: pandas.DataFrame(d[0].toarray()).assign(y=d[1]))(sklearn.datasets.load_svmlight_file({file}))",
    ),
    ".xml": ("XML", "lxml", "", "pandas.read_xml({file})"),
    ".html": ("a web page", "lxml", "", "pandas.read_html({file})[0]"),
}

# By suffix: the kind of file, and what to do with it.
COMMANDS: dict[str, tuple[str, str]] = {
    "": ("unknown, and not text", "save it as CSV in the program that wrote it"),
    ".rds": ("R", "Rscript -e {rds}"),
    ".rdata": _R_DATA,
    ".rda": _R_DATA,
    ".db": ("SQLite", "sqlite3 -header -csv {path} 'SELECT * FROM TABLE' > {csv}"),
    ".tfrecord": ("TensorFlow records", "write the examples out: pictures to a folder per class, or numbers to a CSV file"),
    ".zst": ("Zstandard", "zstd -d {path}"),
    ".7z": ("7-Zip", "7z x {path}"),
    ".rar": ("RAR", "unrar x {path}"),
    ".tar": ("an archive", "tar -xf {path}"),
    ".tgz": ("an archive", "tar -xf {path}"),
    ".numbers": ("Apple Numbers", "export it in Numbers: File > Export To > CSV"),
    ".pdf": _DOCUMENT,
    ".docx": _DOCUMENT,
    ".doc": _DOCUMENT,
    ".md": _DOCUMENT,
    ".py": _PROGRAM,
    ".ipynb": _PROGRAM,
    ".keras": _MODEL,
    ".onnx": _MODEL,
    ".pt": _TORCH,
    ".pth": _TORCH,
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff"), _IMAGE),
}
_LOOKED_AT = 65536  # bytes in which text has no null
_SAME = {".sqlite": ".db", ".sqlite3": ".db", ".hdf5": ".h5", ".hdf": ".h5", ".tfrecords": ".tfrecord", ".libsvm": ".svm"}
_MAGIC = {  # first bytes of files whose suffix says something else
    b"\x89HDF": ".h5",
    b"SQLite format 3": ".db",
    b"$FL2": ".sav",
    b"<stata_dta>": ".dta",
    b"\x28\xb5\x2f\xfd": ".zst",
    b"7z\xbc\xaf\x27\x1c": ".7z",
    b"Rar!": ".rar",
    b"%PDF": ".pdf",
}


def unsupported(path: Path, content: bytes) -> DatasetError | None:
    """Create the error for a file of a kind that is not read, by its suffix or its first bytes (H122); None for others."""
    given = path.suffix.lower()
    suffix = _SAME.get(given, given)
    if not suffix or (suffix not in CONVERSIONS and suffix not in COMMANDS):
        suffix = next((suffix for magic, suffix in _MAGIC.items() if content.startswith(magic)), "")
    if not suffix and b"\0" not in content[:_LOOKED_AT]:
        return None
    kind, advice = _converted(path, *CONVERSIONS[suffix]) if suffix in CONVERSIONS else _told(path, *COMMANDS[suffix])
    return DatasetError(
        "H122",
        "unsupported kind of file",
        received=f"{path} ({kind})",
        expected="CSV, Parquet, Feather, JSON, JSON Lines, Excel or .npz; or a folder of images",
        advice=advice,
    )


def _converted(path: Path, kind: str, package: str, module: str, frame: str) -> tuple[str, str]:
    """The kind, and a command that writes the file as CSV beside it."""
    modules = ", ".join(filter(None, ["pandas", module]))
    table = frame.replace("{file}", _text(path))
    program = f"import {modules}; {table}.to_csv({_text(path.with_suffix('.csv'))}, index=False)"
    install = f"pip install {package} && " if package else ""
    return kind, f"{install}python -c {shlex.quote(program)}"


def _told(path: Path, kind: str, advice: str) -> tuple[str, str]:
    file, csv = _text(path), _text(path.with_suffix(".csv"))
    return kind, advice.format(
        path=shlex.quote(str(path)),
        csv=shlex.quote(str(path.with_suffix(".csv"))),
        npz=_text(path.with_suffix(".npz")),
        folder=shlex.quote(str(path.parent.parent)),
        rds=shlex.quote(f"write.csv(readRDS({file}), {csv}, row.names=FALSE)"),
        r_data=shlex.quote(f"write.csv(get(load({file})), {csv}, row.names=FALSE)"),
    )


def _text(path: Path) -> str:
    """A path as a string in Python or R, in double quotes so that a shell can take it in single ones."""
    return json.dumps(str(path), ensure_ascii=False)
