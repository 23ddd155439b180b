"""Folders of images: what is taken, how it is brought to one shape, what is said, and what is refused."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import unveil
from quick import QUICK, WORDS
from unveil.cli import main
from unveil.data import load, prepare, read_array, read_new
from unveil.data.filetree import SUFFIXES, Pictures, find
from unveil.data.folders import read_pictures
from unveil.data.images import ORIENTATION, read_header, read_pixels
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.runs.given import new_split

RNG = np.random.default_rng(0)


def picture(height=12, width=12, channels=3, seed=None):
    """Noise, uint8 [H, W] or [H, W, C]."""
    rng = RNG if seed is None else np.random.default_rng(seed)
    shape = (height, width) if channels == 1 else (height, width, channels)
    return rng.integers(0, 256, shape, dtype=np.uint8)


def write(path, x=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture() if x is None else x).save(path, **options)


def fill(folder, count=12, **shape):
    """`count` PNG pictures 00.png, 01.png, …; their pixels."""
    x = [picture(**shape) for _ in range(count)]
    for i, values in enumerate(x):
        write(folder / f"{i:02}.png", values)
    return np.stack(x)


def refusal(call, *arguments, **options):
    with pytest.raises(RequestError) as caught:
        call(*arguments, **options)
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    return said


def png_bytes(width, height, data=b""):
    """A PNG whose header declares what it likes."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


# -- what is taken ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_small_images_of_one_size_are_kept(tmp_path, channels):
    x = fill(tmp_path, height=10, width=14, channels=channels)
    data = load(tmp_path)
    found = np.concatenate([split.x.numpy() for split in (data.train, data.valid, data.test)])
    rows = np.concatenate([split.rows.numpy() for split in (data.train, data.valid, data.test)])
    assert np.array_equal(found[np.argsort(rows)], x)
    assert str(data.domain) == "levels(256)" and data.source == str(tmp_path) and data.name == tmp_path.name
    assert "12 images" in data.resize and "14 wide and 10 high, kept as they are" in data.resize
    assert data.to_json()["resize"] == data.resize and data.notes[0] == data.resize
    assert ("grey" if channels == 1 else "in colour") in data.resize


def test_mixed_sizes_are_cut_to_the_middle_and_resized(tmp_path):
    white = np.full((100, 300, 3), 255, np.uint8)
    white[:, :100], white[:, 200:] = (255, 0, 0), (0, 0, 255)  # only the middle square is white
    write(tmp_path / "a.png", white)
    write(tmp_path / "b.png", np.full((30, 20, 3), (10, 20, 30), np.uint8))
    x, _, _, _ = read_array(tmp_path)
    assert x.shape == (2, 64, 64, 3) and x.dtype == np.uint8
    assert (x[0, :, 2:-2] == 255).all() and (x[1] == (10, 20, 30)).all()
    said = read_pictures(tmp_path, Pictures()).resize
    assert "20 to 300 wide and 30 to 100 high, cut to the middle and resized to 64×64 (1 enlarged)" in said


def test_size_is_that_which_was_asked(tmp_path):
    fill(tmp_path, height=20, width=20)
    assert load(tmp_path, size=16).domain.shape == (16, 16, 3)
    assert "kept" in load(tmp_path, size=20).resize
    for size in (0, 3, 5000, -8):
        assert f"data.size came as {size}" in refusal(load, tmp_path, size=size)


def test_large_images_of_one_size_are_resized(tmp_path):
    fill(tmp_path, height=65, width=65, channels=1)
    assert load(tmp_path).domain.shape == (64, 64)


def test_a_folder_without_colour_is_grey_whatever_its_modes(tmp_path):
    grey = picture(channels=1)
    write(tmp_path / "a.png", np.repeat(grey[..., None], 3, -1))
    Image.fromarray(grey).convert("P").save(tmp_path / "b.png")
    Image.fromarray(grey).convert("RGBA").save(tmp_path / "c.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "d.png")
    write(tmp_path / "e.tif", grey)
    x = read_array(tmp_path)[0]
    assert x.shape == (5, 12, 12) and (x == grey).all()


def test_modes_become_eight_bits_on_white(tmp_path):
    clear = np.zeros((12, 12, 4), np.uint8)
    clear[:6] = (200, 100, 50, 255)
    clear[6:, :6] = (0, 0, 0, 128)
    write(tmp_path / "alpha.png", clear)
    x = read_pixels(tmp_path / "alpha.png", (12, 12, 3))
    assert (x[:6] == (200, 100, 50)).all() and (x[6:, :6] == 127).all() and (x[6:, 6:] == 255).all()
    palette = Image.fromarray(clear[..., :3]).convert("P", palette=Image.Palette.ADAPTIVE)
    palette.info["transparency"] = palette.getpixel((0, 11))
    palette.save(tmp_path / "palette.png")
    x = read_pixels(tmp_path / "palette.png", (12, 12, 3))
    assert (x[:6] == (200, 100, 50)).all() and (x[6:] == 255).all()
    Image.new("CMYK", (12, 12), (0, 255, 255, 0)).save(tmp_path / "cmyk.tif")
    assert (read_pixels(tmp_path / "cmyk.tif", (12, 12, 3)) == (255, 0, 0)).all()
    Image.new("1", (12, 12), 1).save(tmp_path / "bit.png")
    assert (read_pixels(tmp_path / "bit.png", (12, 12)) == 255).all()
    deep = np.array([[0, 257, 128 * 257 + 100, 65535]], np.uint16).repeat(4, 0)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert (read_pixels(tmp_path / "deep.png", (4, 4)) == [0, 1, 128, 255]).all()
    Image.fromarray(deep).save(tmp_path / "deep.tif")
    assert (read_pixels(tmp_path / "deep.tif", (4, 4)) == [0, 1, 128, 255]).all()


def test_pixels_on_no_stated_scale_are_broken(tmp_path):
    fill(tmp_path)
    Image.fromarray(np.zeros((12, 12), np.float32)).save(tmp_path / "float.tif")
    said = refusal(load, tmp_path)
    assert "1 of 13 images" in said and "float.tif (32 bits a pixel" in said


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, suffix, orientation):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16] = 255  # white in the corner above, on the left
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1), 7: upright[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(upright, 3),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f"x.{suffix}"
    write(path, np.ascontiguousarray(stored), exif=exif, **({"lossless": True} if suffix == "webp" else {}))
    header = read_header(path)
    assert (header.width, header.height) == (32, 16)
    assert np.abs(read_pixels(path, (16, 32, 3)).astype(int) - upright).max() <= (8 if suffix == "jpg" else 0)


def test_a_reduced_jpeg_looks_like_the_whole_one(tmp_path):
    down, across = np.mgrid[:600, :900]
    x = np.stack([down * 255 / 600, across * 255 / 900, (down + across) * 255 / 1500], -1).astype(np.uint8)
    write(tmp_path / "x.jpg", x, quality=95)
    write(tmp_path / "x.png", x)
    jpeg, png = (read_pixels(tmp_path / f"x.{suffix}", (32, 32, 3)).astype(int) for suffix in ("jpg", "png"))
    assert np.abs(jpeg - png).max() <= 4


def test_other_and_hidden_files_are_left_out(tmp_path):
    fill(tmp_path)
    for name in (".hidden.png", ".git/x.png", "__MACOSX/x.png", "sub/.DS_Store"):
        write(tmp_path / name, format="PNG")
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "Desktop.ini").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "LICENSE").write_text("x")
    os.mkfifo(tmp_path / "pipe.png")
    data = load(tmp_path)
    assert len(data.train) + len(data.valid) + len(data.test) == 12
    assert "3 other files (1 " in data.resize and ".txt" in data.resize and "without suffix" in data.resize


def test_frames_after_the_first_are_said(tmp_path):
    x = fill(tmp_path)
    frames = [Image.fromarray(values) for values in x[:3]]
    frames[0].save(tmp_path / "film.tif", save_all=True, append_images=frames[1:])
    data = load(tmp_path)
    assert "of 1 with several frames the first was taken" in data.resize
    assert np.array_equal(read_array(tmp_path)[0][-1], x[0])


# -- labels, splits, order --------------------------------------------------------------------------------------------


def test_sub_folders_are_labels(tmp_path):
    for name in ("zebra/1.png", "ant/deep/er/2.png", "ant/0.png", "Bee/9.png"):
        write(tmp_path / name)
    x, y, classes, _ = read_array(tmp_path)
    assert classes == ("Bee", "ant", "zebra") and y.tolist() == [0, 1, 1, 2] and len(x) == 4
    assert "labels are the 3 sub-folders (Bee, ant, zebra)" in read_pictures(tmp_path, Pictures()).resize
    write(tmp_path / "beside.png")
    assert read_array(tmp_path)[1].tolist() == [0, 1, 1, -1, 2]
    assert "1 image beside them without a label" in read_pictures(tmp_path, Pictures()).resize


def test_one_sub_folder_is_no_label(tmp_path):
    fill(tmp_path / "only")
    data = load(tmp_path)
    assert data.classes is None and "one sub-folder, so no labels" in data.resize


def test_train_and_test_folders_are_the_split(tmp_path):
    train = [fill(tmp_path / "train" / kind, 10) for kind in ("a", "b")]
    valid = fill(tmp_path / "val" / "a", 4)
    test = [fill(tmp_path / "Test" / kind, 3) for kind in ("b", "c")]
    data = load(tmp_path)
    assert np.array_equal(data.test.x.numpy(), np.concatenate(test)) and data.test.y.tolist() == [1] * 3 + [2] * 3
    assert len(data.train) + len(data.valid) == 24 and data.classes == ("a", "b", "c")
    assert np.array_equal(read_array(tmp_path)[0], np.concatenate([*train, valid, *test]))
    assert "the test split is that of the folder (6), train/ and val/ the rest" in data.resize


def test_train_and_valid_folders_without_test_are_no_labels(tmp_path):
    fill(tmp_path / "train"), fill(tmp_path / "valid")
    data = load(tmp_path)
    assert data.classes is None and "train/ and valid/ are read as one" in data.resize and len(data.test) == 2


def test_the_order_is_that_of_names_and_not_of_writing(tmp_path):
    kept = {name: picture() for name in ("b/2.png", "a.b/0.png", "a/1.png", "a/10.png", "c.png")}
    for name, x in kept.items():
        write(tmp_path / name, x)
    wanted = [kept[name] for name in ("a/1.png", "a/10.png", "a.b/0.png", "b/2.png", "c.png")]
    assert np.array_equal(read_array(tmp_path)[0], np.stack(wanted))
    for name, x in reversed(kept.items()):
        write(tmp_path / "again" / name, x)
    assert np.array_equal(read_array(tmp_path / "again")[0], np.stack(wanted))


# -- links ------------------------------------------------------------------------------------------------------------


def test_links_that_lead_out_are_not_followed(tmp_path):
    folder, outside = tmp_path / "in", tmp_path / "out"
    x = fill(folder)
    fill(outside)
    (folder / "file.png").symlink_to(outside / "00.png")
    (folder / "folder").symlink_to(outside)
    (folder / "again.png").symlink_to(folder / "03.png")
    (folder / "nowhere.png").symlink_to(folder / "none.png")
    (folder / "self.png").symlink_to(folder / "self.png")
    (folder / "sub").mkdir()
    (folder / "sub" / "up").symlink_to(folder)
    data = load(folder)
    assert np.array_equal(read_array(folder)[0], x)
    assert "6 symbolic links not followed" in data.resize
    (tmp_path / "link").symlink_to(folder)
    assert load(tmp_path / "link").sha256 == data.sha256


def test_a_link_within_the_folder_to_what_is_hidden_is_followed_once(tmp_path):
    fill(tmp_path / ".store", 4)
    (tmp_path / "a").mkdir()
    for i in range(4):
        (tmp_path / "a" / f"{i}.png").symlink_to(tmp_path / ".store" / f"{i:02}.png")
    (tmp_path / "b.png").symlink_to(tmp_path / ".store" / "00.png")
    found = find(tmp_path)
    assert found.images == [("a", f"{i}.png") for i in range(4)] and found.links == 1
    assert len(read_array(tmp_path)[0]) == 4


def test_a_folder_of_links_that_lead_out_says_so(tmp_path):
    fill(tmp_path / "out")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.png").symlink_to(tmp_path / "out" / "00.png")
    assert "holds no images, but 1 symbolic link to nowhere or out of it" in refusal(load, tmp_path / "in")


# -- broken files -----------------------------------------------------------------------------------------------------


def breakages(folder):
    """Five broken files beside twelve good ones."""
    fill(folder)
    write(folder / "whole.jpg", picture(200, 200))
    (folder / "cut.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:2000])
    (folder / "whole.jpg").unlink()
    (folder / "empty.png").write_bytes(b"")
    (folder / "huge.png").write_bytes(png_bytes(50_000, 50_000))
    (folder / "large.png").write_bytes(png_bytes(10_001, 10_000))
    (folder / "page.jpg").write_text("<html>404</html>")


def test_broken_files_are_counted_and_named_and_can_be_left_out(tmp_path):
    breakages(tmp_path)
    said = refusal(load, tmp_path)
    assert "5 of 17 images" in said and "--skip-broken" in said and "data.skip_broken=true" in said
    assert "cut.jpg (image file is truncated" in said and "empty.png (empty)" in said and said.count(".png") == 2
    assert "huge.png (declares many pixels, more than 178 megapixels), …" in said
    data = load(tmp_path, skip_broken=True)
    assert len(data.train) + len(data.valid) + len(data.test) == 12 and data.domain.shape == (64, 64, 3)
    assert "5 broken left out: cut.jpg (" in data.resize


def test_reasons_name_what_is_wrong(tmp_path):
    breakages(tmp_path)
    for name in ("cut.jpg", "empty.png"):
        (tmp_path / name).unlink()
    said = refusal(load, tmp_path)
    assert "large.png (declares 10001×10000 pixels, more than 64 megapixels)" in said
    assert "page.jpg (not a picture that can be read)" in said


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    breakages(tmp_path)
    loaded = []
    load_file = Image.Image.load
    monkeypatch.setattr(Image.Image, "load", lambda self: loaded.append(self.size) or load_file(self))
    load(tmp_path, skip_broken=True)
    assert loaded and max(max(size) for size in loaded) <= 200


def test_only_broken_files_are_refused_in_any_case(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    for skip in (False, True):
        said = refusal(load, tmp_path, skip_broken=skip)
        assert "1 of 1 images" in said and "--skip-broken" not in said


def test_a_picture_under_another_suffix_is_read(tmp_path):
    x = fill(tmp_path)
    (tmp_path / "00.png").rename(tmp_path / "00.jpg")
    assert np.array_equal(read_array(tmp_path)[0], x)


def test_damaged_exif_does_not_break_a_picture(tmp_path):
    x = fill(tmp_path)
    write(tmp_path / "zz.png", x[0], exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12" + bytes(9))
    assert np.array_equal(read_array(tmp_path)[0][-1], x[0])


def test_what_memory_cannot_hold_is_refused(tmp_path, monkeypatch):
    fill(tmp_path)
    free = psutil.virtual_memory()._replace(available=5_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    said = refusal(load, tmp_path)
    assert "of memory are free; give fewer images, or a smaller data.size" in said


def test_heic_names_its_extra(tmp_path, monkeypatch):
    fill(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    for i in range(2):
        (tmp_path / f"IMG_{i}.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
    said = refusal(load, tmp_path)
    assert "2 of 14 images" in said and "pip install 'unveil[heif]'" in said and "IMG_0.HEIC (HEIC)" in said
    assert len(load(tmp_path, skip_broken=True).train) == 10


def test_a_folder_without_images_says_what_it_holds(tmp_path):
    assert "holds no images, nothing at all" in refusal(load, tmp_path)
    np.save(tmp_path / "x.npy", np.zeros(3))
    assert "but 1 other file (1 .npy)" in refusal(load, tmp_path)
    fill(tmp_path, 5)
    assert "at least 10 are needed" in refusal(load, tmp_path)


def test_options_of_images_are_refused_for_other_sources():
    assert "data.size came for digits, which is no folder of images" in refusal(load, "digits", size=8)
    assert "data.skip_broken came for array" in refusal(load, np.arange(40).reshape(20, 2), skip_broken=True)


# -- new x for a fitted run -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [((64, 64, 3), "colour"), ((8, 8), "grey"), ((8, 12, 1), "grey"), ((16, 16, 3), "colour")],
    ids=["64x64x3", "8x8", "8x12x1", "16x16x3"],
)
def test_new_images_are_brought_to_the_shape_of_the_run(tmp_path, shape, wanted):
    write(tmp_path / "a.jpg", picture(100, 120))
    write(tmp_path / "b.png", picture(9, 9, channels=1))
    split = prepare(tmp_path, Domain("levels", shape, 256))
    assert split.x.shape == (2, *shape) and split.y is None
    alone = prepare(tmp_path / "b.png", Domain("levels", shape, 256))
    assert np.array_equal(alone.x[0], split.x[1])
    if wanted == "colour":
        assert (split.x[1] == split.x[1, ..., :1]).all()


def test_new_images_that_fit_are_not_changed(tmp_path):
    x = fill(tmp_path, height=10, width=14)
    assert np.array_equal(prepare(tmp_path, load(tmp_path).domain).x.numpy(), x)


def test_new_images_for_a_binarized_run(tmp_path):
    fill(tmp_path, height=28, width=28, channels=1)
    split = prepare(tmp_path, Domain("binary", (28, 28)), "dynamic", levels=256)
    assert set(np.unique(split.x)) == {0, 1} and split.grey is not None


def test_new_images_are_refused_where_they_cannot_serve(tmp_path):
    fill(tmp_path)
    assert "this run takes (N, 7)" in refusal(prepare, tmp_path, Domain("real", (7,)))
    assert "this run takes (N, 8, 8, 4)" in refusal(prepare, tmp_path, Domain("levels", (8, 8, 4), 256))
    (tmp_path / "z.png").write_bytes(b"")
    said = refusal(prepare, tmp_path, Domain("levels", (12, 12, 3), 256))
    assert (
        "z.png (empty)" in said
        and "every picture has its row" in said
        and "score and encode take --skip-broken" in said
    )


# -- the command line -------------------------------------------------------------------------------------------------


def test_the_command_line_says_what_was_done(tmp_path, monkeypatch, capfd):
    breakages(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    words = ("fit", "photos", "--model", "linear_gaussian", "data.domain=real", "--dry-run", "--size", "8")
    assert main(words) == 2
    said = capfd.readouterr().err
    assert "5 of 17 images" in said and "--skip-broken" in said and len(said.splitlines()) <= 3
    assert main((*words, "--skip-broken")) == 0
    out, err = capfd.readouterr()
    assert err.splitlines()[0].startswith("Read   12 images of photos, 12 wide and 12 high, cut to the middle")
    assert "5 broken left out: cut.jpg" in err and '"skip_broken": true' in out and '"size": 8' in out


# -- fuzz -------------------------------------------------------------------------------------------------------------


def encoded(kind, seed):
    """A small picture in a format, as bytes."""
    x, stream = picture(7 + seed % 5, 9, seed=seed), io.BytesIO()
    Image.fromarray(x).save(stream, kind)
    return stream.getvalue()


@st.composite
def files(draw):
    """The bytes of one file that calls itself an image: whole, cut off, altered, lying, or something else."""
    kind = draw(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000"]))
    content = encoded(kind, draw(st.integers(0, 4)))
    how = draw(st.sampled_from(["whole", "cut", "altered", "lying", "other", "empty"]))
    if how == "cut":
        return content[: draw(st.integers(0, len(content)))]
    if how == "altered":
        changed = bytearray(content)
        for place in draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
            changed[place] = draw(st.integers(0, 255))
        return bytes(changed)
    if how == "lying":
        return png_bytes(draw(st.sampled_from([0, 1, 50_000, 2**31])), draw(st.sampled_from([1, 50_000])), content)
    return {"whole": content, "other": draw(st.binary(max_size=40)), "empty": b""}[how]


names = st.sampled_from(
    ["a.png", "b.jpg", "c.GIF", "d.tif", "e.heic", "f.avif", "g.txt", "h", ".i.png", "Thumbs.db", "cat/a.png",
     "cat/b.webp", "dog/a.bmp", "train/a.png", "train/cat/b.png", "test/c.png", "__MACOSX/a.png",
     "deep/er/still/z.ppm", "ü\n[b].png"]
)  # fmt: skip
links = st.tuples(
    st.sampled_from(["l1.png", "l2.png", "sub/l3.png", "l4"]),
    st.sampled_from(["a.png", ".", "..", "l1.png", "../..", "nowhere.png", "cat", "/", ".i.png"]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.dictionaries(names, files(), max_size=8),
    linked=st.lists(links, max_size=3, unique_by=lambda link: link[0]),
    size=st.sampled_from(["auto", 5]),
    skip=st.booleans(),
    shape=st.sampled_from([None, (6, 6, 3), (4, 5), (3,)]),
)
def test_any_folder_is_read_or_refused(tmp_path_factory, content, linked, size, skip, shape):
    folder = tmp_path_factory.mktemp("fuzz")
    for name, values in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(values)
    for name, target in linked:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(target)
    try:
        raw = read_pictures(folder, Pictures(size, skip, shape))
    except RequestError as refused:
        assert "\n" not in str(refused) and str(refused).isprintable()
        return
    present = [name for name in content if Path(name).suffix.lower() in SUFFIXES]
    assert 1 <= len(raw.x) <= len(present) + len(linked) and raw.x.dtype == np.uint8
    assert raw.x.shape[1:] == shape if shape else raw.x.shape[3:] in ((), (3,))
    assert shape or size == "auto" or raw.x.shape[1:3] == (5, 5)
    assert raw.resize.isprintable() and (raw.y is None or len(raw.y) == len(raw.x))
    assert 0 <= raw.num_test <= len(raw.x)


def test_whole_pictures_of_every_format_are_read(tmp_path):
    """The fuzz above starts from files that load."""
    for kind, suffix in [("PNG", "png"), ("JPEG", "jpg"), ("GIF", "gif"), ("BMP", "bmp"), ("TIFF", "tiff"),
                         ("WEBP", "webp"), ("PPM", "ppm"), ("JPEG2000", "jp2")]:  # fmt: skip
        (tmp_path / f"x.{suffix}").write_bytes(encoded(kind, 0))
    assert len(read_array(tmp_path)[0]) == 8


def test_embeddings_and_scores_of_a_folder_name_its_files(tmp_path):
    fill(tmp_path / "photos" / "a, b", 6)
    fill(tmp_path / "photos" / "c", 6)
    run, source = str(tmp_path / "run"), str(tmp_path / "photos")
    assert main(["fit", source, "--steps", "2", "--out", run, "model.width=8", "model.latent=4", *WORDS]) == 0
    for verb in ("encode", "score"):
        assert main([verb, run, source, "-o", str(tmp_path / "t.csv")]) == 0
        assert main([verb, run, source, "-o", str(tmp_path / "t.parquet")]) == 0
        found = pd.read_csv(tmp_path / "t.csv")
        assert found["file"].tolist() == sorted(found["file"]) and len(found) == 12
        assert all((tmp_path / "photos" / name).is_file() for name in found["file"])
        assert pd.read_parquet(tmp_path / "t.parquet")["file"].equals(found["file"])


# -- grey of more than 8 bits -----------------------------------------------------------------------------------------


def deep_bytes(v, kind):
    """The values v [H, W] of 16 bits, or [H, W, 3], as a file of a kind."""
    big, (height, width), channels = v.astype(">u2").tobytes(), v.shape[:2], v.size // (v.shape[0] * v.shape[1])
    if kind in ("pgm", "ppm"):
        return f"{'P5' if kind == 'pgm' else 'P6'} {width} {height} 4095\n".encode() + big
    if kind == "tif":  # big-endian
        tags = [(256, width), (257, height), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, height)]
        entries = b"".join(struct.pack(">HHIHH", tag, 3, 1, value, 0) for tag, value in [*tags, (279, len(big))])
        return b"MM" + struct.pack(">HI", 42, 8 + len(big)) + big + struct.pack(">H", 9) + entries + bytes(4)
    made = png_bytes(width, height, zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in v)))
    header = struct.pack(">IIBBBBB", width, height, 16, 0 if channels == 1 else 2, 0, 0, 0)
    old = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    crc = [struct.pack(">I", zlib.crc32(b"IHDR" + part)) for part in (old, header)]
    return made.replace(old, header).replace(crc[0], crc[1])


def deep_folder(folder, top, kind="png", count=12):
    """`count` grey pictures of 16 bits with values from 0 to `top`; their values."""
    folder.mkdir(exist_ok=True)
    v = np.stack([RNG.integers(0, top + 1, (12, 12)) for _ in range(count)])
    v[:, 0, 0] = top
    for i, values in enumerate(v):
        (folder / f"{i:02}.{kind}").write_bytes(deep_bytes(values, kind))
    return v


@pytest.mark.parametrize("kind", ["png", "tif", "pgm"])
def test_16_bits_are_read_on_the_scale_that_they_use_and_it_is_said(tmp_path, kind):
    v = deep_folder(tmp_path / "p", 4095, kind)
    data, raw = load(tmp_path / "p"), read_pictures(tmp_path / "p", Pictures())
    assert (raw.x == np.rint(v * 255 / 4095)).all() and data.white == 4095 and data.domain.levels == 256
    left, held = len(np.unique(np.rint(v * 255 / 4095))), len(np.unique(v))
    assert "12 16-bit pictures hold values up to 4,095, brought to 0 … 255 by 255/4,095" in data.notes[0]
    assert f"{left:,} of {held:,} different values are left" in data.notes[0]
    assert "data.domain=real keeps them all" in data.notes[0]
    kept = load(tmp_path / "p", domain="real")
    assert kept.white == 0 and (read_pictures(tmp_path / "p", Pictures(keeps_depth=True)).x == v).all()
    assert str(kept.domain) == "real" and "kept" in kept.notes[0]


@pytest.mark.parametrize("kind", ["png", "tif"])
@pytest.mark.parametrize("top", [90, 255])
def test_8_bits_in_16_stay_as_they_are(tmp_path, kind, top):
    v = deep_folder(tmp_path / "p", top, kind)
    data = load(tmp_path / "p")
    assert (read_pictures(tmp_path / "p", Pictures()).x == v).all() and data.white == 255
    assert f"hold values up to {top}, taken as they are" in data.notes[0]


def test_new_pictures_of_16_bits_get_the_scale_of_the_run(tmp_path):
    v = deep_folder(tmp_path / "p", 4095)
    dark = deep_folder(tmp_path / "dark", 200)
    data = load(tmp_path / "p")
    new = read_new(str(tmp_path / "dark"), data.domain, white=data.white)
    assert (new.x == np.rint(dark * 255 / 4095)).all() and new.ignored == ()
    assert (read_new(str(tmp_path / "p"), Domain("real", (12, 12)), white=0).x == v).all()
    deep_folder(tmp_path / "more", 5000)
    bright = read_new(tmp_path / "more", data.domain, white=4095)
    assert bright.ignored == ("12 pictures hold values above 4,095, the white of the run: these are taken as white.",)
    assert bright.x.max() == 255
    unknown = read_new(str(tmp_path / "dark"), data.domain)
    assert "16-bit pictures came and the run was fitted on none: 65535 is read as white" in unknown.ignored[0]
    assert (unknown.x <= 1).all()


def test_a_run_keeps_the_scale_of_its_pictures(tmp_path):
    deep_folder(tmp_path / "p", 4095)
    with pytest.warns(UserWarning, match="brought to 0 … 255"):
        run = unveil.fit(tmp_path / "p", out=tmp_path / "run", steps=2, show=False, model__width=8, options=QUICK)
    assert run.store.data_info["white"] == 4095
    _, raw = new_split(run.store, tmp_path / "p")
    assert (raw.x == read_pictures(tmp_path / "p", Pictures()).x).all()


def test_what_is_lost_of_16_bits_in_colour_and_of_mixed_folders_is_said(tmp_path):
    fill(tmp_path)
    (tmp_path / "c.png").write_bytes(deep_bytes(RNG.integers(0, 60000, (12, 12, 3)), "png"))
    (tmp_path / "c.ppm").write_bytes(deep_bytes(RNG.integers(0, 4000, (12, 12, 3)), "ppm"))
    assert "of 2 with 16 bits in colour only the upper 8 are read" in load(tmp_path).notes[0]
    deep_folder(tmp_path, 4095, "tif")
    assert "brought to 0 … 255 by 255/4,095" in load(tmp_path).notes[0]
    assert "on two scales" in refusal(load, tmp_path, domain="real")
    assert "on two scales" in refusal(read_new, tmp_path, Domain("real", (12, 12)), white=0)


def test_pictures_of_32_bits_are_taken_as_real_numbers(tmp_path):
    v = RNG.normal(size=(12, 12, 12)).astype(np.float32)
    for i, values in enumerate(v):
        write(tmp_path / f"{i:02}.tif", values)
    assert "data.domain=real" in refusal(load, tmp_path)
    assert (read_pictures(tmp_path, Pictures(keeps_depth=True)).x == v).all()
    load(tmp_path, domain="real")


def test_a_transparent_value_of_16_bits_is_white_or_missing(tmp_path):
    v = RNG.integers(0, 4096, (12, 12))
    v[0, 0] = 7
    Image.fromarray(v.astype(np.uint16)).save(tmp_path / "a.png", transparency=7)
    assert read_pixels(tmp_path / "a.png", (12, 12), 4095)[0, 0] == 255
    assert np.isnan(read_pixels(tmp_path / "a.png", (12, 12), 0)[0, 0])


# -- transparency -----------------------------------------------------------------------------------------------------


def icons(folder, colour, count=12):
    """Discs of one colour on transparency, [count, 12, 12] where they are."""
    yy, xx = np.mgrid[:12, :12]
    discs = np.stack([(xx - RNG.integers(3, 9)) ** 2 + (yy - RNG.integers(3, 9)) ** 2 < 9 for _ in range(count)])
    for i, disc in enumerate(discs):
        write(
            folder / f"{i:02}.png", np.dstack([*[np.full((12, 12), colour, np.uint8)] * 3, 255 * disc.astype(np.uint8)])
        )
    return discs


def test_white_icons_on_transparency_are_taken_on_black(tmp_path):
    discs = icons(tmp_path / "p", 255)
    data, raw = load(tmp_path / "p"), read_pictures(tmp_path / "p", Pictures())
    assert data.paper == "black" and (raw.x == 255 * discs).all()
    assert "what is transparent in 12 pictures is black, since all of them are blank on white" in data.notes[0]
    new = read_new(tmp_path / "p", data.domain, paper=data.paper)
    assert (new.x == raw.x).all() and new.ignored == ()


def test_icons_that_show_on_white_stay_on_white_and_others_among_them_are_counted(tmp_path):
    discs = icons(tmp_path / "p", 0)
    data = load(tmp_path / "p")
    assert data.paper == "white" and (read_pictures(tmp_path / "p", Pictures()).x == 255 * ~discs).all()
    assert "what is transparent in 12 pictures is white" in data.notes[0] and "blank" not in data.notes[0]
    icons(tmp_path / "p" / "more", 255, 3)
    assert "3 pictures with transparency are blank on white" in load(tmp_path / "p").notes[0]
    new = read_new(tmp_path / "p" / "more", data.domain, paper="white")
    assert new.ignored == ("3 pictures with transparency are blank on white.",)


def test_pictures_that_are_clear_all_over_are_blank_on_any_paper(tmp_path):
    for i in range(12):
        write(tmp_path / f"{i:02}.png", np.zeros((12, 12, 4), np.uint8))
    assert (read_pictures(tmp_path, Pictures()).x == 255).all()
    assert "identical" in refusal(load, tmp_path)
