"""One encoded picture (PNG, JPEG, WebP, BMP) to pixels: uint8 (channels, side, side).

What is done to a picture is said here and nowhere else: it is turned as its EXIF orientation says; transparency is
laid on white; colour becomes grey by ITU-R 601 luma, grey becomes colour by repetition; of an animation the first
frame counts. Pictures with more than 8 bits a channel, grey or color, are refused, because squeezing them is a
choice that the data's owner must make.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
MODES = {1: "L", 3: "RGB"}
PIXELS = 2**26  # of one picture; decoded, each takes several bytes
LARGE = 2**23  # pictures of more are decoded one at a time, so that threads together stay within bounds
_one_large = threading.Lock()
Image.MAX_IMAGE_PIXELS = None  # Pillow's own bound, twice, the first a warning; PIXELS is lower

DEEP = "more than 8 bits a channel; convert it to 8 bits"


class BadPicture(Exception):
    """A picture that does not read; the text is the reason."""


class WrongSize(BadPicture):
    """A picture that reads but is of another size; the text is "WIDTHxHEIGHT"."""


def pixels(encoded: bytes, side: int, channels: int, resize: str | None) -> np.ndarray:
    """The picture as uint8 (channels, side, side); raises `BadPicture`, or `WrongSize` with `resize` None.

    "crop" cuts the largest centred square and scales it (bilinear, antialiased), "stretch" scales both sides alone,
    "crop_or_pad" scales nothing: what is over `side` is cut off evenly, what is under is filled up with black.
    """
    with _opened(encoded) as picture:
        width, height = picture.size
        if width * height > PIXELS:
            raise BadPicture(f"{width}x{height} are {width * height:,} pixels; legal: up to {PIXELS:,}")
        if resize is None and picture.size != (side, side):
            raise WrongSize("x".join(map(str, picture.size)))
        if picture.format == "PNG" and encoded[12:16] == b"IHDR" and encoded[24] > 8:
            raise BadPicture(DEEP)  # Pillow would cut 48-bit color to 24 without a word
        with _one_large if width * height > LARGE else nullcontext():
            picture.load()
            return _array(_resized(_plain(picture, channels), side, resize))


def shown_size(encoded: bytes) -> tuple[int, int]:
    """Width and height of the picture once it stands upright, from its head alone; raises `BadPicture`."""
    with _opened(encoded) as picture:
        width, height = picture.size
        return (height, width) if picture.getexif().get(ExifTags.Base.Orientation, 1) >= 5 else (width, height)


@contextmanager
def _opened(encoded: bytes) -> Iterator[Image.Image]:
    """The picture, nothing decoded yet; what goes wrong with it in the body is a `BadPicture`."""
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as picture:
            yield picture
    except BadPicture:
        raise
    except Exception as e:  # each decoder has its own kinds of error for broken bytes, SyntaxError among them
        known = isinstance(e, UnidentifiedImageError)
        reason = "no PNG, JPEG, WebP or BMP" if known else " ".join(str(e).split())
        raise BadPicture(reason or type(e).__name__) from e


def _plain(picture: Image.Image, channels: int) -> Image.Image:
    """Upright, opaque, and of as many channels as asked for."""
    if picture.mode.startswith(("I", "F")):
        raise BadPicture(DEEP)
    if "exif" in picture.info:
        picture = ImageOps.exif_transpose(picture)
    if picture.has_transparency_data:
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
    return picture.convert(MODES[channels])


def _resized(picture: Image.Image, side: int, resize: str | None) -> Image.Image:
    width, height = picture.size
    if (width, height) == (side, side):
        return picture
    if resize == "crop_or_pad":
        return _centred(picture, side)
    if resize == "crop":
        picture = _centred(picture, min(width, height))
    if resize is None:  # turned by its orientation: the stored size was right, the shown one is not
        raise WrongSize(f"{width}x{height}")
    return picture.resize((side, side), Image.Resampling.BILINEAR)


def _centred(picture: Image.Image, side: int) -> Image.Image:
    """The centred square of that side; where the picture ends it is black. An odd pixel goes right and down."""
    left, top = ((n - side) // 2 if n >= side else -((side - n) // 2) for n in picture.size)
    return picture.crop((left, top, left + side, top + side))


def _array(picture: Image.Image) -> np.ndarray:
    array = np.asarray(picture)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
