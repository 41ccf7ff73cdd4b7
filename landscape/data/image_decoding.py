"""Decoding of one image file (PNG, JPEG, WebP, BMP) to uint8 (channels, side, side).

EXIF orientation is applied; transparency is blended with white; color becomes gray by ITU-R 601 luma, and gray becomes
color by repetition; the first frame of an animation is used. More than 8 bits per channel are rejected, because the
owner of the data must choose a conversion.
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
PIXELS = 2**26  # most pixels of an image
LARGE = 2**23  # larger images are decoded one at a time, to bound memory
_one_large = threading.Lock()
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit is higher than PIXELS, and only warns at first

DEEP = "more than 8 bits a channel; convert it to 8 bits"


class BadPicture(Exception):
    """An image that cannot be decoded. The message is the reason."""


class WrongSize(BadPicture):
    """A valid image of the wrong size. The message is "WIDTHxHEIGHT"."""


def decode_image(encoded: bytes, side: int, channels: int, resize: str | None) -> np.ndarray:
    """The image as uint8 (channels, side, side). Raises `BadPicture`, or `WrongSize` if `resize` is None.

    "crop": cut the largest centered square and scale it (bilinear, antialiased). "stretch": scale both sides
    independently. "crop_or_pad": crop or pad with black around the center, without scaling.
    """
    with _opened(encoded) as picture:
        width, height = picture.size
        if width * height > PIXELS:
            raise BadPicture(f"{width}x{height} is {width * height:,} pixels; legal: up to {PIXELS:,}")
        if resize is None and picture.size != (side, side):
            raise WrongSize("x".join(map(str, picture.size)))
        if picture.format == "PNG" and encoded[12:16] == b"IHDR" and encoded[24] > 8:
            raise BadPicture(DEEP)  # Pillow would silently truncate 48-bit color
        with _one_large if width * height > LARGE else nullcontext():
            picture.load()
            return _array(_resized(_plain(picture, channels), side, resize))


def displayed_size(encoded: bytes) -> tuple[int, int]:
    """Width and height after EXIF orientation, from the file's header. Raises `BadPicture`."""
    with _opened(encoded) as picture:
        width, height = picture.size
        return (height, width) if picture.getexif().get(ExifTags.Base.Orientation, 1) >= 5 else (width, height)


@contextmanager
def _opened(encoded: bytes) -> Iterator[Image.Image]:
    """The image, not decoded yet. Errors inside the block become `BadPicture`."""
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as picture:
            yield picture
    except BadPicture:
        raise
    except Exception as e:  # decoders raise many types, including SyntaxError
        known = isinstance(e, UnidentifiedImageError)
        reason = "not a PNG, JPEG, WebP or BMP" if known else " ".join(str(e).split())
        raise BadPicture(reason or type(e).__name__) from e


def _plain(picture: Image.Image, channels: int) -> Image.Image:
    """Upright, opaque, with the given number of channels."""
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
        return _centered(picture, side)
    if resize == "crop":
        picture = _centered(picture, min(width, height))
    if resize is None:  # the stored size is right, but the rotated one is not
        raise WrongSize(f"{width}x{height}")
    return picture.resize((side, side), Image.Resampling.BILINEAR)


def _centered(picture: Image.Image, side: int) -> Image.Image:
    """The centered square of that side, padded with black. An odd pixel goes right and down."""
    left, top = ((n - side) // 2 if n >= side else -((side - n) // 2) for n in picture.size)
    return picture.crop((left, top, left + side, top + side))


def _array(picture: Image.Image) -> np.ndarray:
    array = np.asarray(picture)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
