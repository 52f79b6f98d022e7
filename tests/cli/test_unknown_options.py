"""An option that a command does not have: the error names what was probably meant."""

import pytest

from recbole_mdcns.cli.main import main
from recbole_mdcns.errors import USER_ERROR


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sweep", "smoke_grid.yaml", "--method=ce"], "unrecognized arguments: --method=ce (did you mean --methods?)"),
        (["sweep", "smoke_grid.yaml", "--dry-runs"], "--dry-runs (did you mean --dry_run?)"),
        (["status", "smoke_grid.yaml", "--epochs=3"], "(a key of the runs is given as --set epochs=VALUE)"),
        (["sweep", "smoke_grid.yaml", "--eval-step", "3"], "(a key of the runs is given as --set eval_step=VALUE)"),
        (["recommend", "m.pth", "--sequence=s.csv"], "(did you mean --sequences?)"),
        (["stats", "shop", "--verbose"], "unrecognized arguments: --verbose\n"),
    ],
)
def test_an_unknown_option_is_one_sentence_with_a_hint(arguments, said, capsys):
    assert main(arguments) == USER_ERROR
    assert said in capsys.readouterr().err
