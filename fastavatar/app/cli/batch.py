"""`fastavatar batch`: many photos in, a folder of results each and an index out."""

from typing import Any

import click

from fastavatar.app.cli.many import many_options, output_option, run_many, take_many
from fastavatar.app.cli.numbers import FILE_AS_TEXT
from fastavatar.app.cli.prediction import prediction_options, settings_of


@click.command("batch")
@click.option(
    "--image",
    required=True,
    type=FILE_AS_TEXT,
    metavar="DIR|GLOB|LIST.txt|-",
    help="A folder, a pattern in quotes, a list of paths, or - for a list on standard input.",
)
@output_option
@click.option("--force", is_flag=True, help="Start again and replace existing results.")
@many_options
@prediction_options
def command(image: str, output_dir: str, force: bool, **flags: Any) -> None:
    """Turn many photos into 3D heads: a folder of results each, an index and a contact sheet.

    Folders are searched recursively, and their structure is kept: a/me.jpg becomes
    OUTPUT_DIR/a/me.jpg/splats.ply. A photo that fails is a row of the index; the exit code is then 1.
    """
    many = take_many(flags)
    run_many(image, output_dir, settings_of(**flags), force, many)
