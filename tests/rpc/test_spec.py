"""What is written from the declarations: the OpenRPC document, PROTOCOL.md and the SDKs' types."""

import ast
import re
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import jsonschema
import pytest
from msgspec import UNSET, Meta, Struct, UnsetType

from core.errors import LineBusy, error_table
from core.events import EVENTS, Scope
from core.rpc import spec_markdown, spec_python, spec_typescript
from core.rpc.methods import METHODS, Registry, Request, method
from core.rpc.openrpc import document
from core.rpc.spec import call_diagram, generate
from tests.rpc.service import TEST_METHODS


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(Struct, frozen=True):
    depth: int = 0


class RichParams(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(max_length=5, description='A "name" | of it')]
    colour: Colour = Colour.RED
    size: Annotated[int, Meta(ge=1, le=9)] = 1
    tags: dict[str, list[int]] | None = None


class Rich(Struct, frozen=True):
    """Something with everything in it."""

    inner: Inner
    colours: list[Colour]
    perhaps: int | UnsetType = UNSET
    note: str | None = None


RICH: Registry = {}


@method("rich.thing", scope=Scope.CALLS, errors=(LineBusy,), facts=True, aliases=("thing",), into=RICH)
async def rich(request: Request, params: RichParams) -> Rich:
    """Do the thing,
    all of it.

    This second paragraph is for readers of the code.
    """
    return Rich(Inner(), [])


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return document(RICH)


def test_a_method_is_described_by_its_types(described: dict[str, Any]) -> None:
    alias = described["methods"][1]
    found = described["methods"][0]
    assert (alias["name"], alias["x-alias-of"]) == ("thing", "rich.thing")
    assert found["summary"] == "Do the thing, all of it."
    assert (found["x-scope"], found["x-facts"], found["paramStructure"]) == ("calls", True, "by-name")
    assert found["errors"] == [{"$ref": "#/components/errors/line_busy"}]
    assert [(param["name"], param["required"]) for param in found["params"]] == [
        ("name", True),
        ("colour", False),
        ("size", False),
        ("tags", False),
    ]
    assert found["params"][2]["schema"] == {"type": "integer", "minimum": 1, "maximum": 9, "default": 1}


def test_a_result_holds_all_its_fields_but_those_that_may_be_unset_and_gains_seq(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    result = schemas["RichWithSeq"]
    assert result["required"] == ["inner", "colours", "note"]
    assert "seq" in result["properties"]
    assert schemas["Inner"]["required"] == ["depth"]
    # What only params hold is not a type of its own.
    assert "RichParams" not in schemas


def test_every_event_has_its_envelope(described: dict[str, Any]) -> None:
    events = {event["name"]: event for event in described["x-events"]}
    assert set(events) == set(EVENTS)
    for topic, event in events.items():
        required = event["schema"]["required"]
        assert ("seq" in required) == EVENTS[topic].fact != ("after_seq" in required)
        assert "at" in required and "line" not in required
        assert ("redacted" in event["schema"]["properties"]) == bool(EVENTS[topic].personal)


def test_every_error_is_in_the_document_once(described: dict[str, Any]) -> None:
    errors = described["components"]["errors"]
    assert {error.kind for error in error_table()} <= set(errors)
    codes = [error["code"] for error in errors.values()]
    assert len(codes) == len(set(codes))


def test_every_schema_is_a_schema_and_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    for source in (described, document(TEST_METHODS)):
        for schema in source["components"]["schemas"].values():
            jsonschema.Draft202012Validator.check_schema(schema)
        for ref in re.findall(r"'#/components/(\w+)/(\w+)'", repr(source)):
            assert ref[1] in source["components"][ref[0]]


def test_two_types_of_one_name_are_a_mistake_of_ours() -> None:
    registry: Registry = {}

    def declare() -> type[Struct]:
        class Same(Struct, frozen=True):
            value: int = 0

        async def handler(request: Request, params: RichParams) -> Struct:
            """Twice."""
            return Same()

        handler.__annotations__["return"] = Same
        method(f"same.{len(registry)}", into=registry)(handler)
        return Same

    declare()
    document(registry)
    declare()
    with pytest.raises(ValueError, match="share a name"):
        document(registry)


def test_wrong_declarations_are_refused_at_import() -> None:
    registry: Registry = {}

    class Open(Struct, frozen=True):
        value: int = 0

    async def undocumented(request: Request, params: RichParams) -> Rich:
        return Rich(Inner(), [])

    async def lax(request: Request, params: Rich) -> Rich:
        """Takes anything."""
        return Rich(Inner(), [])

    with pytest.raises(ValueError, match="docstring"):
        method("a", into=registry)(undocumented)
    with pytest.raises(ValueError, match="forbid_unknown_fields"):
        method("b", into=registry)(lax)
    method("c", into=registry)(rich)
    with pytest.raises(ValueError, match="declared twice"):
        method("c", into=registry)(rich)


def test_the_python_types_are_a_module_of_typing_alone(described: dict[str, Any], tmp_path: Path) -> None:
    text = spec_python.render(described)
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [node.module for node in imports if isinstance(node, ast.ImportFrom)] == ["typing"] and len(imports) == 1
    space: dict[str, Any] = {}
    exec(compile(text, "protocol.py", "exec"), space)
    params = space["RichThingParams"]
    assert (params.__required_keys__, params.__optional_keys__) == ({"name"}, {"colour", "size", "tags"})
    assert space["RichWithSeq"].__required_keys__ == {"inner", "colours", "note"}
    assert {"seq", "at", "number"} <= space["CallIncomingEvent"].__required_keys__
    assert space["ERROR_CODES"]["line_busy"] == -32003
    path = tmp_path / "protocol.py"
    path.write_text(text)
    command = [sys.executable, "-m", "ruff", "format", "--line-length", "120", "--check", str(path)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_the_typescript_types_name_every_method_and_event(described: dict[str, Any]) -> None:
    text = spec_typescript.render(described)
    assert '"rich.thing": { params: RichThingParams; result: RichWithSeq };' in text
    assert '"thing": { params: RichThingParams; result: RichWithSeq };' in text
    assert '"call.incoming": CallIncomingEvent;' in text
    assert "  tags?: Record<string, Array<number>> | null;" in text
    assert 'export type Colour =\n  | "blue"\n  | "red";' in text
    declared = set(re.findall(r"export (?:interface|type) (\w+)", text))
    used = set(re.findall(r"(?:: |<|\| )([A-Z]\w+)", re.sub(r"/\*\*.*?\*/|//.*", "", text))) - {"Array", "Record"}
    assert used <= declared
    assert text.count("{") == text.count("}")


def test_only_what_stands_between_markers_is_written(described: dict[str, Any]) -> None:
    prose = (
        "# Mine\n<!-- generated: errors -->\nstale words\n<!-- end -->\nkept <!-- generated: calls -->\n<!-- end -->\n"
    )
    filled = spec_markdown.fill(prose, described, "diagram")
    assert filled.startswith("# Mine\n<!-- generated: errors -->\n| code |")
    assert filled.endswith("kept <!-- generated: calls -->\ndiagram\n<!-- end -->\n")
    assert "stale words" not in filled and "| -32003 | `line_busy` | yes |" in filled
    assert spec_markdown.fill(filled, described, "diagram") == filled
    with pytest.raises(spec_markdown.UnknownPart):
        spec_markdown.fill("<!-- generated: nonsense -->\n<!-- end -->", described, "")


def test_a_method_reads_well_in_protocol_md(described: dict[str, Any]) -> None:
    filled = spec_markdown.fill("<!-- generated: methods -->\n<!-- end -->", described, "")
    assert '| `name` | string | **required**; A "name" \\| of it |' in filled
    assert "| `colour` | [Colour](#type-colour) | default `red` |" in filled
    assert "Scope `calls`." in filled and "Errors: `line_busy`." in filled
    assert "Another name of `rich.thing`." in filled


def test_the_diagram_of_calls_is_drawn_from_its_table() -> None:
    from core.call_fsm import TRANSITIONS

    diagram = call_diagram()
    assert diagram.count("-->") == len(TRANSITIONS) + 1
    assert "[*] --> incoming" in diagram and "ended --> [*]" in diagram


def test_protocol_md_has_a_place_for_every_part(described: dict[str, Any]) -> None:
    text = (Path(__file__).parents[2] / "PROTOCOL.md").read_text()
    assert set(re.findall(r"<!-- generated: (\w+) -->", text)) == {"methods", "events", "types", "errors", "calls"}
    assert text.count("<!-- end -->") == 5
    assert generate(described, text)["PROTOCOL.md"] != text  # other methods, other text


@pytest.mark.parametrize("arguments", [["--check"], ["--print"]])
def test_the_files_in_the_repository_are_those_that_the_code_declares(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "core.rpc.spec", *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_check_shows_the_difference_and_write_mends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from core.rpc import spec

    (tmp_path / "PROTOCOL.md").write_text("<!-- generated: errors -->\n<!-- end -->\n")
    before = dict(METHODS)
    assert spec.main(["--check"], root=tmp_path) == 1
    assert "+| -32003 | `line_busy` | yes |" in capsys.readouterr().out
    assert spec.main(["--write"], root=tmp_path) == 0
    assert spec.main(["--check"], root=tmp_path) == 0
    assert before.keys() <= METHODS.keys()
