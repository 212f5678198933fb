"""Options on the command line, in variables and in a file, and which of these goes first."""

import json
import logging
import threading
from pathlib import Path

import click
import pytest
from conftest import Counting
from shell import Shell

from prodmatch_cli.main import cli
from prodmatch_cli.settings.config import SHARED, is_shared, option_name
from prodmatch_cli.settings.every_command import VALUES, variables
from prodmatch_cli.terminal import logs

ROOT = click.Context(cli, info_name="prodmatch")
COMMANDS = cli.list_commands(ROOT)
Value = str | int | float | bool | list[str]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PRODMATCH_STORE", raising=False)


def command_of(name: str) -> click.Command:
    command = cli.get_command(ROOT, name)
    assert command is not None
    return command


def options_of(name: str) -> list[click.Option]:
    found = [each for each in command_of(name).params if isinstance(each, click.Option)]
    return [each for each in found if each.name not in ("help", "config")]


def three_values(option: click.Option) -> list[Value]:
    """Values that an option takes, all different but for a flag."""
    if option.is_flag:
        return [True, False, True]
    if isinstance(option.type, click.Choice):
        names = [str(name) for name in option.type.choices]
        return [names[0], names[1], names[-1]]
    if isinstance(option.type, click.types.IntParamType):
        return [5, 6, 7]
    if isinstance(option.type, click.types.FloatParamType):
        return [0.5, 0.625, 0.75]
    return [["a"], ["b"], ["c"]] if option.multiple else ["a", "b", "c"]


def parse(command: str, option: click.Option, given: list[str]) -> object:
    """What a command gets for an option; all that it requires besides is given."""
    arguments = list(given)
    for each in command_of(command).params:
        if isinstance(each, click.Argument) and each.required:
            arguments.append("some")
        elif isinstance(each, click.Option) and each.required and each is not option:
            arguments += [each.opts[0], "some"]
    context = command_of(command).make_context(command, arguments, parent=click.Context(cli))
    values = {**context.params, **context.meta[VALUES]}
    value = values[option.name]
    if isinstance(value, tuple):
        return [str(each) for each in value]
    return str(value) if isinstance(value, Path) else value


def words(option: click.Option, value: Value) -> list[str]:
    """An option as the command line has it."""
    if option.is_flag:
        return [option.opts[0]]
    return [option.opts[0], value[0] if isinstance(value, list) else str(value)]


def save(option: click.Option, value: Value, table: str | None) -> None:
    head = f"[{table}]\n" if table else ""
    Path("prodmatch.toml").write_text(f"{head}{option_name(option)} = {json.dumps(value)}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_is_taken_from_each_place_and_the_nearer_goes_first(
    command: str, monkeypatch: pytest.MonkeyPatch, count_cases: Counting
) -> None:
    for option in options_of(command):
        line, variable, file = three_values(option)
        save(option, file, command)
        assert parse(command, option, []) == file, option.name
        for name in reversed(variables(option, command)):
            text = variable[0] if isinstance(variable, list) else str(variable)
            monkeypatch.setenv(name, text)
            assert parse(command, option, []) == variable, name
            assert parse(command, option, words(option, line)) == line, name
        for name in variables(option, command):
            monkeypatch.delenv(name)
        if is_shared(option):
            save(option, file, None)
            assert parse(command, option, []) == file, option.name
        Path("prodmatch.toml").unlink()
        count_cases("options set on the command line, in a variable and in a file", 1)


@pytest.mark.parametrize(
    ("command", "line", "expected"),
    [
        ("query", 'facets = ["brand", "Size, EU"]', 'brand,"Size, EU"'),
        ("query", "boost = { price = -0.1, stock = 2 }", "price=-0.1,stock=2"),
        ("query", 'boost = ["price=-.1", "stock=2"]', "price=-.1,stock=2"),
        ("build", 'text-columns = ["title", "brand"]', "title,brand"),
        ("build", 'columns = { title = "name", image = "photo, main" }',
         "title=name,image=photo, main"),
        ("query", 'columns = { title = "name" }', "title=name"),
    ],
)  # fmt: skip
def test_an_option_of_several_may_be_a_list_or_a_table(
    command: str, line: str, expected: str
) -> None:
    name = line.split(" ")[0].replace("-", "_")
    (option,) = [each for each in options_of(command) if each.name == name]
    Path("prodmatch.toml").write_text(f"[{command}]\n{line}\n")
    assert parse(command, option, []) == expected


def test_shared_options_are_options() -> None:
    known = {option_name(option) for command in COMMANDS for option in options_of(command)}
    assert known >= SHARED


def test_a_commands_own_goes_before_what_commands_share(monkeypatch: pytest.MonkeyPatch) -> None:
    (option,) = [each for each in options_of("query") if each.name == "store"]
    Path("prodmatch.toml").write_text('store = "all"\n[query]\nstore = "own"\n')
    assert parse("query", option, []) == "own"
    assert parse("gc", option, []) == "all"
    monkeypatch.setenv("PRODMATCH_STORE", "everywhere")
    monkeypatch.setenv("PRODMATCH_GC_STORE", "here")
    assert parse("query", option, []) == "everywhere"
    assert parse("gc", option, []) == "here"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[quary]\ntop = 3", "[quary] is no table: there is no such command. Did you mean [query]"),
        ("[query]\ntopp = 3", "[query] 'topp' is none of its options. Did you mean top?"),
        ("[gc]\nkep = 3", "[gc] 'kep' is none of its options. Did you mean keep?"),
        ("stor = 'a'", "'stor' is no option that commands share. Did you mean store?"),
        ("min-recall = 0.9", "'min-recall' is no option that commands share; put it below [build]"),
        ("[query]\ntop = 'ten'", "[query] 'top' must be a whole number, found 'ten'."),
        ("[query]\ntop = true", "[query] 'top' must be a whole number, found True."),
        ("[query]\nexact = 'yes'", "[query] 'exact' must be true or false, found 'yes'."),
        ("[query]\nfilter = 3", "[query] 'filter' must be text, found 3."),
        ("[query]\nfilter = ['a']", "[query] 'filter' must be text, found ['a']."),
        ("[query]\nfacets = [3]", "[query] 'facets' must be text, found [3]."),
        ("[query]\nfacets = {a = 1}", "[query] 'facets' must be text, found {'a': 1}."),
        ("[query]\nmin-probability = 2", "[query] 'min-probability': 2.0 is not in the range"),
        ("[recommend]\nliked = 'a'", "[recommend] 'liked' must be a list of texts, found 'a'."),
        ("[embed]\ndevice = 'tpu'", "[embed] 'device': 'tpu' is not one of 'auto', 'cpu', 'cuda'"),
        ("[query]\nconfig = 'a'", "[query] 'config' is none of its options."),
        ("store = ", "is no TOML: "),
        ("store = ''", "'store': it is empty"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_place(
    shell: Shell, content: str, message: str
) -> None:
    shell.names_store = False
    Path("prodmatch.toml").write_text(content)
    done = shell("query", "red")
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err
    assert done.err.startswith("error: prodmatch.toml: "), done.err
    assert message in done.err


def test_the_file_that_is_read_is_named(shell: Shell) -> None:
    Path("other.toml").write_text("[query]\ntop = 2\n")
    done = shell("query", "red", "--config", "other.toml", "--format", "jsonl")
    assert (done.code, done.err) == (0, "options are read from other.toml\n")
    assert len(done.out.splitlines()) == 2
    assert shell("query", "red", "--config", "other.toml", "--quiet").err == ""
    missing = shell("query", "red", "--config", "none.toml")
    assert (missing.code, "--config none.toml: No such file" in missing.err) == (2, True)


def test_a_variable_with_a_wrong_value_is_named(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRODMATCH_QUERY_TOP", "many")
    done = shell("query", "red")
    assert done.code == 2
    assert "It is the variable PRODMATCH_QUERY_TOP." in done.err


def test_what_a_store_remembers_goes_after_the_file_and_before_the_defaults(
    shell: Shell, tmp_path: Path, published: Path
) -> None:
    remembered = json.loads((published / "store.json").read_text())
    done = shell("embed", "--dry-run")
    assert done.code == 0, done.err
    assert (done.last["rows"], done.last["texts_to_encode"]) == (60, 0)  # catalogue and model
    Path("prodmatch.toml").write_text('model = "nowhere"\n')
    other = shell("embed", "--dry-run")
    assert (other.code, "nowhere: is neither" in other.err) == (1, True), other.err
    again = shell("embed", "--dry-run", "--model", str(remembered["model"]))
    assert again.last["texts_to_encode"] == 0


def test_a_store_of_the_variable_is_used(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.names_store = False
    monkeypatch.setenv("PRODMATCH_STORE", str(shell.store))
    assert shell("query", "red").code == 0


@pytest.mark.parametrize("place", ["line", "variable", "file", "named file"])
def test_a_tilde_is_the_home_directory(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    shell.names_store = False
    monkeypatch.setenv("HOME", str(shell.store.parent))
    store = f"~/{shell.store.name}"
    given = {"line": [f"--store={store}"], "named file": ["--config=~/named.toml"]}.get(place, [])
    if place == "variable":
        monkeypatch.setenv("PRODMATCH_STORE", store)
    elif place != "line":
        file = shell.store.parent / "named.toml" if given else Path("prodmatch.toml")
        file.write_text(f'store = "{store}"\nlog-format = "json"\n')
    assert shell("query", "red", *given).code == 0
    if place == "named file":
        assert json.loads(shell("query", "red", "--topp", *given).err)["level"] == "error"


@pytest.mark.parametrize("name", ["image-root", "model"])
def test_a_tilde_is_one_in_whatever_may_be_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "someone"))
    (option,) = [each for each in options_of("build") if option_name(each) == name]
    save(option, "~/of/mine", None)
    assert parse("build", option, []) == str(tmp_path / "someone/of/mine")


def test_a_commands_advice_names_a_store_of_a_file_that_was_named(shell: Shell) -> None:
    shell.names_store = False
    Path("other.toml").write_text('store = "empty"\n')
    Path("empty").mkdir()
    done = shell("query", "red", "--config", "other.toml")
    assert "'prodmatch build CATALOGUE --store empty'" in done.err
    Path("other.toml").rename("prodmatch.toml")  # is read by the advised command too
    assert "'prodmatch build CATALOGUE'" in shell("query", "red").err


def test_json_lines_have_time_level_and_message(shell: Shell) -> None:
    done = shell("query", "shirt not blue", "--log-format", "json", "--top", "1")
    note, other = [json.loads(line) for line in done.err.splitlines()]
    assert list(note) == ["time", "level", "message"]
    assert [note["message"], other["message"]] == [
        "Searched for: shirt",
        "Understood: without blue",
    ]
    bad = shell("query", "red", "--log-format", "json", "--filter", "no = 1")
    (error,) = [json.loads(line) for line in bad.err.splitlines()]
    assert (bad.code, error["level"]) == (2, "error")


@pytest.mark.parametrize(
    "wrong",
    [
        ["query", "red", "--topp", "1"],
        ["query", "red", "--top", "many"],
        ["query", "red", "--config", "none.toml"],
        ["query", "red", "--id", "p0001", "--html"],
        ["serch", "red"],
    ],
)
def test_wrong_usage_is_one_json_line_too(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, wrong: list[str]
) -> None:
    shell.names_store = False
    plain = shell(*wrong)
    assert plain.err.startswith("error: ")

    def check(*arguments: str) -> None:
        done = shell(*arguments)
        (line,) = [json.loads(each) for each in done.err.splitlines()]
        assert (done.code, line["level"]) == (2, "error")
        assert f"error: {line['message']}\n" == plain.err

    check(*wrong[:1], "--log-format", "json", *wrong[1:])
    check(*wrong[:1], "--log-format=text", "--log-format=json", *wrong[1:])
    monkeypatch.setenv("PRODMATCH_LOG_FORMAT", "json")
    check(*wrong)
    assert shell(*wrong[:1], "--log-format", "text", *wrong[1:]).err == plain.err


@pytest.mark.parametrize("text", ['log-format = "json"\n', '[query]\nlog_format = "json"\n'])
def test_wrong_usage_has_the_form_that_a_file_says(shell: Shell, text: str) -> None:
    Path("prodmatch.toml").write_text(text)
    for wrong in (["--topp", "1"], ["--top", "many"]):
        lines = shell("query", "red", *wrong).err.splitlines()
        assert json.loads(lines[-1])["level"] == "error"
    Path("prodmatch.toml").write_text(f"{text}tpo = 3\n")
    (line,) = shell("query", "red").err.splitlines()
    assert "'tpo'" in json.loads(line)["message"]


def test_a_mark_at_the_start_of_the_file_is_no_part_of_it(shell: Shell) -> None:
    Path("prodmatch.toml").write_text('log-format = "json"\n[query]\ntop = 2\n', "utf-8-sig")
    done = shell("query", "red", "--format", "jsonl")
    assert (done.code, len(done.out.splitlines())) == (0, 2)
    wrong = shell("query", "red", "--topp", "1").err.splitlines()
    assert json.loads(wrong[-1])["level"] == "error"


def test_a_text_behind_the_options_is_no_form(shell: Shell) -> None:
    done = shell("query", "--topp", "1", "--", "--log-format", "json")
    assert done.err.startswith("error: ")


def test_a_json_line_has_the_fields_of_its_record(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(form="json")
    logging.getLogger("prodmatch.embed").warning("hot: `top=3`", extra={"rows": 7})
    line = json.loads(capsys.readouterr().err)
    assert (line["message"], line["level"], line["rows"]) == ("hot: `top=3`", "warning", 7)


def test_a_line_that_a_thread_logs_is_in_words_of_the_command_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    warn = logging.getLogger("prodmatch.service.published").warning
    with click.Context(cli, info_name="prodmatch"):
        logs.configure()
        thread = threading.Thread(target=warn, args=("damaged. Go back with `rollback()`.",))
        thread.start()
        thread.join()
    assert capsys.readouterr().err == "warning: damaged. Go back with 'prodmatch rollback'.\n"
    logs.configure()


def test_levels_choose_what_is_written(shell: Shell) -> None:
    assert shell("query", "shirt not blue").err.startswith("Searched for: ")
    assert shell("query", "shirt not blue", "--log-level", "warning").err == ""
    bad = shell("query", "red", "--log-level", "error", "--filter", "no = 1")
    assert bad.err.startswith("error: ")


def test_a_signals_line_has_the_form_of_the_others() -> None:
    logs.configure(form="json")
    assert json.loads(logs.format_line("stopped"))["message"] == "stopped"
    logs.configure()
    assert logs.format_line("stopped") == "stopped\n"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PRODMATCH_QUERY_TOPP", "PRODMATCH_QUERY_TOP"),
        ("PRODMATCH_TOP", "PRODMATCH_QUERY_TOP"),
        ("PRODMATCH_STROE", "PRODMATCH_STORE"),
        ("PRODMATCH_QUERRY_FILTER", "PRODMATCH_QUERY_FILTER"),
        ("PRODMATCH_BUILD_MINRECALL", "PRODMATCH_BUILD_MIN_RECALL"),
    ],
)
def test_a_slip_in_the_name_of_a_variable_is_a_warning(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "1")
    done = shell("query", "red")
    assert done.code == 0
    assert f"warning: {name} is the variable of no option. Did you mean {meant}?" in done.err


def test_variables_of_other_commands_and_other_programs_are_none_of_ours(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PRODMATCH_BUILD_MIN_RECALL", "PRODMATCH_MODEL", "PRODMATCH_PASSWORD", "TOP"):
        monkeypatch.setenv(name, "1")
    monkeypatch.delenv("PRODMATCH_MODEL")
    done = shell("query", "red")
    assert (done.code, done.err) == (0, "")
