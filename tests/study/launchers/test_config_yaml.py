"""Configs as YAML: the same text as the emitter's, and read back as what they were."""

from __future__ import annotations

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.study.launchers.config_yaml import _yaml, yaml_list, yaml_of

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30)
scalars |= st.text(alphabet="ab: \n#'\"-?{}[],&*!|>%@`", max_size=100)  # folded, quoted, in blocks
scalars |= st.text(alphabet="aE_10/=.,+-", max_size=20) | st.sampled_from(["=", "/", "a=", "~/b", "1e3=", "n=", "1/2"])
keys = st.integers() | st.text(max_size=12) | st.sampled_from(["yes", "null", "a b", "~", "1e3", "-", "a:", "x" * 130])
trees = st.recursive(scalars, lambda t: st.lists(t, max_size=3) | st.dictionaries(keys, t, max_size=4), max_leaves=15)


@settings(max_examples=300)
@given(st.dictionaries(keys, trees, min_size=1, max_size=4))
def test_a_config_written_part_by_part_is_the_same_text(content):
    assert yaml_of(content) == _yaml(content)
    assert yaml_of(content, "hydra") == _yaml({"hydra": content})


texts = (
    st.text(max_size=30) | st.text(alphabet="aE_10/=.,+-", max_size=20) | st.sampled_from(["a=1", "+b=[1, 2]", "~c"])
)


@settings(max_examples=300)
@given(st.lists(texts, max_size=4))
def test_a_list_is_read_back_as_it_was(content):
    assert yaml.safe_load(yaml_list(content)) == content
