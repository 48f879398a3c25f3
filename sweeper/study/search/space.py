"""What a study searches: swept keys and the spaces that chosen options declare, conditional by construction."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from omegaconf import DictConfig, OmegaConf
from optuna.distributions import check_distribution_compatibility
from optuna.study import Study

from sweeper.configs import as_written
from sweeper.errors import ConfigError, nearest
from sweeper.space_node import declared
from sweeper.study.compose import Composer, all_keys, app_part, has_key
from sweeper.study.search.parameter import Parameter, Point, Value, parameter
from sweeper.study.search.tried import check_leads, first_values, try_values
from sweeper.study.settings import params_in
from sweeper.study.view.terminal import say

Pick = Callable[[Parameter], Value]


class SearchSpace:
    """The tree of searched parameters: groups are drawn first, then what the chosen options leave open.

    ``fixed`` are overrides every trial gets; ``swept`` the explicit distributions; ``search`` the glob
    patterns that pick among those declared by options (a leading ``!`` excludes). With ``one_launcher`` no
    trial has keys of the launcher for itself.
    """

    def __init__(
        self,
        composer: Composer,
        *,
        fixed: Sequence[str],
        swept: Sequence[Parameter],
        search: Sequence[str] = ("*",),
        one_launcher: bool = False,
    ) -> None:
        self.composer = composer
        self._common = {"sweeper", "launcher"} if one_launcher else {"sweeper"}
        self.fixed = list(fixed)
        self.swept = {p.key: p for p in swept}
        for p in filter(self._is_group, swept):
            _check_options(p, composer)
        self.search = list(search)
        self._fixed_keys = {composer.parse(o).get_key_element().lstrip("+~") for o in fixed}
        self._active: dict[tuple[str, ...], dict[str, Parameter]] = {}
        self._size: int | None = -1
        self._ambiguous: set[str] = set()
        self._indifferent: dict[str, set[str]] = {}  # groups whose options leave a key's space as it is
        self._tables: list[tuple[Point, dict[str, Parameter]]] = []
        self._unmatched = {g for g in self.search if g != "*" and not g.startswith("!")}

    def walk(self, pick: Pick) -> Point:
        """Draw one point, asking ``pick`` for each parameter that is active given the choices before it."""
        point: Point = {}
        while open_groups := [p for p in self.active(point).values() if self._is_open_group(p, point)]:
            for p in open_groups:
                point[p.key] = pick(p)
        for p in self.active(point).values():
            if p.key not in point:
                point[p.key] = pick(p)
        return point

    def active(self, point: Mapping[str, Value]) -> dict[str, Parameter]:
        """The parameters that exist given the groups chosen in ``point``, explicit ones first."""
        choices = tuple(p.override(point[p.key]) for p in self._known_groups() if p.key in point)
        if choices not in self._active:
            self._active[choices] = self._read(choices)
        return self._active[choices]

    def _known_groups(self) -> list[Parameter]:
        known = [p for p in self.swept.values() if self._is_group(p)]
        for table in self._active.values():  # groups that an option's own space opens
            known += [p for k, p in table.items() if k not in self.swept and self._is_group(p)]
        return list({p.key: p for p in known}.values())

    def _is_group(self, p: Parameter) -> bool:
        return self.composer.is_group(p.key) and not p.is_mapping

    def _is_open_group(self, p: Parameter, point: Mapping[str, Value]) -> bool:
        return p.key not in point and self._is_group(p)

    def _read(self, choices: Sequence[str]) -> dict[str, Parameter]:
        chosen_groups = {text.partition("=")[0] for text in choices}
        if any(self._is_group(p) and p.key not in chosen_groups for p in self.swept.values()):
            return dict(self.swept)  # the rest depends on them, and without them there may be no config
        cfg = self.composer.compose([*self.fixed, *choices])
        self._check_in_charge(cfg, choices)
        app = app_part(cfg)
        table = {}
        explicit = {**self.swept, **self._swept_by(cfg, choices)}
        if any(self._is_group(p) and p.key not in chosen_groups for p in explicit.values()):
            return explicit
        for p in explicit.values():
            if not (p.key.startswith("+") or "@" in p.key or self._is_group(p) or has_key(cfg, p.key)):
                chosen = " ".join(choices)
                if p.key in all_keys(app):
                    raise ConfigError(
                        f"{p.key} ({p.source}) must have text for a key, which an override can name, got a number in "
                        "the config; quote it there: '1'"
                    )
                raise ConfigError(
                    f"{p.key} ({p.source}) must be a key of the config{f' chosen by {chosen}' if chosen else ''}, "
                    f"which lacks it{nearest(p.key, all_keys(app))}; "
                    f"add one with +{p.key}, or declare it in the `space:` of the options that have it"
                )
            _check_slashes(p, cfg)
            table[p.key] = p
        for key, written in declared(app):
            if key in table or key in self._fixed_keys or not self._picked(key):
                continue
            if not has_key(cfg, key):
                raise ConfigError(
                    f"{key} (space of an option) must name a key beside the `space:` entry, "
                    f"got {key.rpartition('.')[2]!r}{nearest(key, all_keys(app))}; correct it, or leave out "
                    "spaces that are the app's own: hydra.sweeper.search=[]"
                )
            p_or_none = parameter(key, written, self.composer.parse, "space of an option")
            if p_or_none is not None:
                if self._is_group(p_or_none):
                    _check_options(p_or_none, self.composer)
                table[key] = p_or_none
        return table

    def _check_in_charge(self, cfg: DictConfig, choices: Sequence[str]) -> None:
        """ConfigError where an option of a trial chooses what runs the sweep: by then it runs."""
        for group in ("hydra/launcher", "hydra/sweeper"):
            chosen, ours = (c.hydra.runtime.choices.get(group) for c in (cfg, self.composer.master))
            if chosen != ours:
                raise ConfigError(
                    f"{group} must be the sweep's, not a trial's, got {chosen} from {' '.join(choices)} and {ours} for "
                    f"the sweep; add {group}={chosen} to the command, or remove it from the option"
                )
        for part in sorted(self._common):
            ours, theirs = (as_written(c.hydra[part]) for c in (self.composer.master, cfg))
            for key in theirs:
                if key not in ("params", "search_space") and theirs[key] != ours.get(key):
                    say(f"hydra.{part}.{key} of {' '.join(choices)} has no effect: a sweep's own keys are in force")

    def _swept_by(self, cfg: DictConfig, choices: Sequence[str]) -> dict[str, Parameter]:
        """``hydra.sweeper.params`` of the options chosen, which a searched option may have of its own."""
        common, found = params_in(self.composer.master), {}
        for key, written in params_in(cfg).items():
            bare = key.lstrip("+")
            given = bare in self._fixed_keys or (bare in self.swept and self.swept[bare].source == "command line")
            if common.get(key) != written and not given:
                source = f"hydra.sweeper.params of {' '.join(choices)}"
                one = f"choice({written})"
                p = parameter(key, written, self.composer.parse, source) or parameter(
                    key, one, self.composer.parse, source
                )
                assert p is not None
                found[p.key] = p
        return found

    def _picked(self, key: str) -> bool:
        for glob in self.search:
            if not glob.startswith("!") and fnmatchcase(key, glob):
                self._unmatched.discard(glob)
        wanted = any(fnmatchcase(key, g) for g in self.search if not g.startswith("!"))
        return wanted and not any(fnmatchcase(key, g[1:]) for g in self.search if g.startswith("!"))

    def survey(self) -> dict[str, str]:
        """Compose each option of each group once; ``{'optimizer.lr (optimizer=sgd)': 'loguniform(…)', …}``.

        Raises the first mistake found: an option that does not compose, a key that is lacking, a glob of
        ``hydra.sweeper.search`` that matches nothing.
        """
        seen: dict[str, set[tuple[str, str]]] = {}
        base = self._first_point({})
        tables = [base]
        for group in filter(self._is_group, base[1].values()):
            assert group.count is not None
            others = [self._first_point({group.key: group.at_index(i)}) for i in range(1, group.count)]
            for key in {key for _, table in [base, *others] for key in table}:
                if len({_written(table, key) for _, table in [base, *others]}) == 1:
                    self._indifferent.setdefault(key, set()).add(group.key)
            tables += others
        self.examples = [[*self.fixed, *(table[k].override(v) for k, v in point.items())] for point, table in tables]
        self._ambiguous = _incompatible([table for _, table in tables])
        self._tables = tables
        try_values(self.composer, tables, self.overrides)
        leading = [self.composer.parse(text) for text in self.fixed if "$" in text]
        for point, table in tables if leading else ():
            cfg = self.composer.compose(self.overrides(first_values(point, table)))
            for override in leading:
                check_leads(cfg, override)
        for point, table in tables:
            for p in table.values():
                label = "" if p.key in self.swept else self._label(p.key, point)
                seen.setdefault(p.key, set()).add((p.written, label))
        if self._unmatched:
            raise ConfigError(
                f"hydra.sweeper.search must match a declared parameter, got {sorted(self._unmatched)[0]!r}; "
                f"declared are {', '.join(sorted(self._declared_keys(tables))) or 'none'}"
            )
        found = {}
        for key, entries in seen.items():
            different = {written for written, _ in entries}
            for written, label in sorted(entries):
                found[key if len(different) == 1 else f"{key} ({label})"] = written
        return found

    @property
    def keys(self) -> list[str]:
        """The parameters that the survey has found, by name."""
        return sorted({key for _, table in self._tables for key in table})

    def check_recorded(self, study: Study) -> None:
        """ConfigError for a parameter that a shared study has recorded with another kind or other choices."""
        recorded = {n: d for t in study.get_trials(deepcopy=False) for n, d in t.distributions.items()}
        for point, table in self._tables:
            for p in table.values():
                known = recorded.get(self.name(p, point), p.distribution)
                try:
                    check_distribution_compatibility(known, p.distribution)
                except ValueError as error:
                    raise ConfigError(
                        f"{p.key} ({p.source}) must be searched as in study {study.study_name!r} of "
                        f"hydra.sweeper.storage, which has {known}, got {p.written}; give another study_name"
                    ) from error

    def _declared_keys(self, tables: list[tuple[Point, dict[str, Parameter]]]) -> set[str]:
        keys: set[str] = set()
        for point, table in tables:
            choices = [p.override(point[k]) for k, p in table.items() if k in point]
            cfg = self.composer.compose([*self.fixed, *choices])
            keys |= {k for k, _ in declared(app_part(cfg))}
        return keys

    def _first_point(self, point: Point) -> tuple[Point, dict[str, Parameter]]:
        """Complete the group choices in ``point`` with each open group's first option."""
        point = dict(point)
        while open_groups := [p for p in self.active(point).values() if self._is_open_group(p, point)]:
            for p in open_groups:
                point[p.key] = p.at_index(0)
        return point, self.active(point)

    def name(self, p: Parameter, point: Mapping[str, Value]) -> str:
        """The name in Optuna's record: the key, with the option where options declare it incompatibly."""
        return f"{p.key} ({self._label(p.key, point)})" if p.key in self._ambiguous else p.key

    def _label(self, key: str, point: Mapping[str, Value]) -> str:
        """The choices in ``point`` that decide on a key's space, so far as the survey could tell."""
        table, indifferent = self.active(point), self._indifferent.get(key, set())
        chosen = [k for k in point if self._is_group(table[k]) and k not in indifferent]
        return " ".join(table[k].override(point[k]) for k in chosen)

    def overrides(self, point: Mapping[str, Value]) -> list[str]:
        """The whole command line of a trial: the fixed overrides, then the drawn ones."""
        table = self.active(point)
        return [*self.fixed, *(table[k].override(v) for k, v in point.items())]

    @property
    def size(self) -> int | None:
        """How many points there are; None if any parameter is continuous."""
        if self._size == -1:
            self._size = self._count({})
        return self._size

    def _count(self, point: Point) -> int | None:
        group = next((p for p in self.active(point).values() if self._is_open_group(p, point)), None)
        if group is not None:
            assert group.count is not None
            counts = [self._count({**point, group.key: group.at_index(i)}) for i in range(group.count)]
            return None if None in counts else sum(c for c in counts if c is not None)
        total = 1
        for p in self.active(point).values():
            if p.key not in point:
                if p.count is None:
                    return None
                total *= p.count
        return total

    def points(self, point: Mapping[str, Value] | None = None) -> Iterator[Point]:
        """Every point of a finite space in the order written, the last parameter fastest."""
        point = dict(point or {})
        group = next((p for p in self.active(point).values() if self._is_open_group(p, point)), None)
        if group is not None:
            assert group.count is not None
            for i in range(group.count):
                yield from self.points({**point, group.key: group.at_index(i)})
            return
        rest = [p for p in self.active(point).values() if p.key not in point]
        for p in rest:
            if p.count is None:
                raise ConfigError(
                    f"{p.key} must have a finite number of values for sampler=grid, got {p.written}; "
                    "write choice(a, b), range(start, stop, step) or int(interval(low, high))"
                )
        for indices in itertools.product(*(range(p.count or 0) for p in rest)):
            yield {**point, **{p.key: p.at_index(i) for p, i in zip(rest, indices, strict=True)}}

    def is_continuous(self, point: Mapping[str, Value]) -> bool:
        """True if some parameter active at ``point`` takes real values, so that it can't be drawn twice."""
        return any(p.count is None for p in self.active(point).values())


def _check_options(p: Parameter, composer: Composer) -> None:
    """ConfigError for a choice of a group that can't be an option's name."""
    for text in p.texts or (p.written,):
        if not isinstance(composer.parse(f"{p.key}={text}").value(), (str, list)):
            raise ConfigError(
                f"{p.key} ({p.source}) must have names of options, got {text} of {p.written}: it is a config group; "
                "leave it out, or quote a name that is a number: \"'1'\""
            )


def _check_slashes(p: Parameter, cfg: DictConfig) -> None:
    """ConfigError for text where an option has its keys: the option was meant, whose group is not named by dots."""
    groups = {group.partition("@")[2] or group.replace("/", "."): group for group in cfg.hydra.runtime.choices}
    group = groups.get(p.key, p.key)
    if group == p.key or not p.texts or any(text.startswith(("{", "[", "null")) for text in p.texts):
        return
    if OmegaConf.is_dict(OmegaConf.select(cfg, p.key, throw_on_missing=False)):
        raise ConfigError(
            f"{p.key} ({p.source}) must be written {group} to choose among the options of that group, got {p.written}: "
            f"with dots it is text in place of the option's keys; write {group}={p.written}"
        )


def _written(table: Mapping[str, Parameter], key: str) -> str | None:
    return table[key].written if key in table else None


def _incompatible(tables: Sequence[Mapping[str, Parameter]]) -> set[str]:
    """Keys whose distributions Optuna would refuse under one name (other kind, log, or other choices)."""
    first: dict[str, Parameter] = {}
    found = set()
    for table in tables:
        for key, p in table.items():
            try:
                check_distribution_compatibility(first.setdefault(key, p).distribution, p.distribution)
            except ValueError:
                found.add(key)
    return found
