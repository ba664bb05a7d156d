"""The command line: one look at a network, the whole report, and a picture made again.

Results go to stdout as paths, a table or JSON; progress and notes go to stderr. Exit status: 0 done, 1 what was
given cannot be done (one line says why), 2 wrong usage, 130 interrupted. torch is imported inside the commands
only, so that ``--help`` is at once.
"""

from __future__ import annotations

import os

import click

from convscope._version import __version__
from convscope.cli.atlas import atlas, atlas_check, atlas_merge
from convscope.cli.doctor import doctor
from convscope.cli.dreaming import dream, dream_film
from convscope.cli.evidence import evidence, gradients
from convscope.cli.exploring import explore
from convscope.cli.fine_tuning import fine_tune
from convscope.cli.group import ConvscopeGroup
from convscope.cli.importance import importance
from convscope.cli.lessons import lessons
from convscope.cli.looking import activations, classify, filters, layers, values
from convscope.cli.measuring import examples, survey
from convscope.cli.reporting import demo, report
from convscope.cli.rerunning import rerun
from convscope.cli.samples import samples
from convscope.cli.styling import style
from convscope.cli.trusting import trust
from convscope.cli.tuning_curves import tuning_curves
from convscope.cli.visualizing import see, sheet

# Before torch is imported: threads that wait for each other spin, and on a machine that does something else too that
# has made a command 20 times slower. A short spin costs a tenth on an idle machine.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


@click.group(
    cls=ConvscopeGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="NETWORK is a file of Caffe (.prototxt, .caffemodel), TensorFlow (.pb), Keras (.keras, .h5), ONNX (.onnx) "
    "or PyTorch (.pth, .pt, .safetensors, with --architecture), the folder that holds it, or a name: builtin, "
    "zoo:NAME, torchvision:NAME, timm:NAME, keras:NAME. PICTURE is a picture file, or one of the samples coffee, "
    "chelsea, astronaut. An address names what you point at: conv1 is a layer, conv1:42 a channel of it.",
)
@click.version_option(__version__, prog_name="convscope", message="%(prog)s %(version)s")
def main() -> None:
    """See what a convolutional network has learned.

    Start with:  convscope report NETWORK PICTURE -o report.html
    """


for command in (
    layers,
    classify,
    filters,
    activations,
    values,
    examples,
    survey,
    tuning_curves,
    atlas,
    atlas_merge,
    atlas_check,
    evidence,
    gradients,
    trust,
    importance,
    see,
    sheet,
    style,
    dream,
    dream_film,
    explore,
    report,
    rerun,
    fine_tune,
    demo,
    samples,
    lessons,
    doctor,
):
    main.add_command(command)
