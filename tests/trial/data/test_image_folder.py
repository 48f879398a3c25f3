import io

import numpy as np
import pytest
from PIL import Image

from sweeper.errors import ConfigError
from sweeper.trial.data import load, open_test, read
from sweeper.trial.data.image_file import read_image


@pytest.fixture
def node(compose, birds, tmp_path):
    def composed(*overrides, root=birds):
        return compose("data=image_folder", f"data.root={root}", f"data.cache={tmp_path}/cache", *overrides).data

    return composed


def test_a_folder_is_a_class_and_pixels_are_those_pillow_reads(node, birds):
    examples, _ = read(node("data.size=20"))
    assert examples.classes == ("robin", "wren") and np.bincount(examples.targets).tolist() == [12, 12]
    first = np.asarray(Image.open(birds / str(examples.names[0])))
    np.testing.assert_array_equal(examples.inputs[0], first[:, 5:25].transpose(2, 0, 1))  # the centre


def test_training_gets_standardised_colours_and_test_apart(node):
    data, test = load(node("data.size=8")), open_test(node("data.size=8"))
    assert data.input_shape == (3, 8, 8) and data.classes == ("robin", "wren")
    np.testing.assert_allclose(data.train.inputs.mean((0, 2, 3)), 0, atol=1e-5)
    assert len(data.train) + len(data.val) + len(test) == 24 and len(test) > 0


def test_split_folders_are_the_split(node, birds, tmp_path):
    for split in ("train", "valid", "test"):
        (tmp_path / "given" / split).mkdir(parents=True)
        for name in ("robin", "wren"):
            (tmp_path / "given" / split / name).symlink_to(birds / name)
    with pytest.raises(ConfigError, match=r"must hold images .* got none"):  # links are not followed out of the root
        read(node(root=tmp_path / "given"))
    import shutil

    shutil.rmtree(tmp_path / "given")
    for place, split in enumerate(("train", "valid", "test")):
        for name in ("robin", "wren"):
            (tmp_path / "given" / split / name).mkdir(parents=True)
            for number in range(place * 4, place * 4 + 4):
                file = next((birds / name).glob(f"p*_{number}.png"))
                shutil.copy(file, tmp_path / "given" / split / name)
    examples, parts = read(node(root=tmp_path / "given"))
    for part, split in zip(parts, ("train", "valid", "test"), strict=True):
        assert len(part) == 8 and all(str(name).startswith(f"{split}/") for name in examples.names[part])


def test_groups_of_the_path_stay_together(node):
    examples, parts = read(node(r"data.split.group='(p\d)_'"))
    groups = [{str(name).split("/")[1][:2] for name in examples.names[part]} for part in parts]
    assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]


def test_is_decoded_once_and_again_when_a_file_changes(node, birds, tmp_path):
    first, _ = read(node())
    kept = set((tmp_path / "cache").glob("cache-*"))
    read(node())
    assert len(kept) == 1 and set((tmp_path / "cache").glob("cache-*")) == kept
    changed = birds / str(first.names[0])
    Image.new("RGB", (20, 20), (1, 2, 3)).save(changed)
    again, _ = read(node())
    assert again.inputs[0, :, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("data.root=nowhere",), r"data.root must be a folder, got nowhere"),
        (("data.channels=2",), r"data.channels must be 1 \(grey\) or 3 \(colour\), got 2"),
        (("data.size=0",), r"data.size must be >= 1 pixel, got 0"),
        (("data.split.group='p('",), r"data.split.group must be a regular expression"),
        (("data.split.group=p",), r"data.split.group must have a bracket"),
        ((r"data.split.group='(q\d)'",), r"data.split.group must match every path.* robin/p0_0.png"),
    ],
)
def test_mistakes_are_one_line(node, overrides, message):
    with pytest.raises(ConfigError, match=message):
        read(node(*overrides))


def test_an_empty_folder_is_an_error_and_a_missing_root_too(node, compose, tmp_path, birds):
    (tmp_path / "empty" / "robin").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"data.root must hold images in a folder a class, got none"):
        read(node(root=tmp_path / "empty"))
    (birds / "wagtail").mkdir()
    (birds / "__MACOSX").mkdir()
    with pytest.raises(ConfigError, match=r"must have images in each class's folder, got none in wagtail"):
        read(node())
    with pytest.raises(ConfigError, match=r"data.root must be given.*add data.root="):
        read(compose("data=image_folder").data)


def test_one_class_is_an_error_for_training(node, tmp_path, birds):
    (tmp_path / "one").mkdir()
    (birds / "robin").rename(tmp_path / "one" / "robin")
    with pytest.raises(ConfigError, match="two classes or more"):
        load(node(root=tmp_path / "one"))


def png(pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5


def test_an_unreadable_file_stops_training_by_name_and_can_be_left_out(node, birds, tmp_path):
    (birds / "robin" / "torn.png").write_bytes(png(PIXELS)[:48])
    with pytest.raises(ConfigError, match=r"got truncated in robin/torn.png .*data.exclude"):
        load(node())
    (tmp_path / "out.txt").write_text("# remarks\nrobin/torn.png\n")
    assert len(load(node(f"data.exclude={tmp_path}/out.txt")).train) > 0


@pytest.mark.parametrize(
    ("data", "issue"),
    [
        (b"", "empty_file"),
        (b"not an image", "not_an_image"),
        (png(PIXELS)[:48], "truncated"),
        (png(np.zeros((9000, 9000), np.uint8)), "decompression_bomb"),
    ],
)
def test_what_is_unreadable_is_named(tmp_path, data, issue):
    (tmp_path / "a.png").write_bytes(data)
    found = read_image(tmp_path / "a.png", size=4, channels=3)
    assert found.pixels is None and found.unreadable[0] == issue


def test_what_is_odd_is_named_and_read(tmp_path):
    def saved(name: str, image: Image.Image, **options):
        image.save(tmp_path / name, **options)
        return read_image(tmp_path / name, size=4, channels=3)

    image = Image.fromarray(PIXELS)
    turned = Image.Exif()
    turned[274] = 3  # upside down
    (tmp_path / "g.png").write_bytes(png(PIXELS)[:-12])
    cut_short = read_image(tmp_path / "g.png", size=4, channels=3)
    kinds = {
        "cmyk": saved("a.tif", image.convert("CMYK")),
        "16_bit": saved("b.png", Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257)),
        "animated": saved("c.gif", image, save_all=True, append_images=[image.rotate(90)]),
        "exif_rotated": saved("d.png", image, exif=turned),
        "wrong_extension": saved("e.png", image, format="BMP"),
        "cut_short": cut_short,
        "transparent": saved("f.png", Image.fromarray(np.dstack([PIXELS, np.full((4, 4), 9, np.uint8)]))),
    }
    assert {name: found.oddities for name, found in kinds.items()} == {name: [name] for name in kinds}
    plain = PIXELS.transpose(2, 0, 1)
    np.testing.assert_array_equal(kinds["wrong_extension"].pixels, plain)
    np.testing.assert_array_equal(kinds["exif_rotated"].pixels, plain[:, ::-1, ::-1])
    np.testing.assert_array_equal(kinds["16_bit"].pixels[0], PIXELS[..., 0])


def test_a_link_to_nothing_and_a_name_in_another_encoding_are_named(node, birds):
    import os

    (birds / "robin" / "gone.png").symlink_to(birds / "nothing.png")
    assert [problem.where for problem in read(node())[0].problems] == ["robin/gone.png"]
    os.rename(birds / "robin" / "gone.png", os.fsencode(birds / "robin") + b"/gr\xfcn.png")
    with pytest.raises(ConfigError, match=r"must hold names in UTF-8, got b'robin/gr\\xfcn.png'"):
        read(node())


def test_a_pipe_is_passed_over(node, birds):
    import os

    os.mkfifo(birds / "robin" / "pipe.png")
    examples, _ = read(node())
    assert len(examples) == 24
