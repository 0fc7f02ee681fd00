"""Write a track as GeoJSON (RFC 7946) or GPX 1.1; the only file that imports `gpxpy`.

Both are deterministic: the same fixes give the same text. Coordinates carry 6 decimals (11 cm), as stored.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement

from gpxpy.gpx import GPX, GPXTrack, GPXTrackPoint, GPXTrackSegment

from driveflow.trips.track import Fix

COORDINATE_DECIMALS = 6
# GPX 1.1 has no speed of its own; this extension (m/s) is the one that programs read.
TRACK_POINT_EXTENSION = "http://www.garmin.com/xmlschemas/TrackPointExtension/v2"

# What XML 1.0 cannot hold even escaped: control characters, lone surrogates, U+FFFE and U+FFFF.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_geojson(fixes: Sequence[Fix], properties: Mapping[str, object]) -> dict[str, object]:
    """Return a GeoJSON Feature of the track, ready for `json.dumps`.

    The geometry is a LineString, a Point for a single fix, null for none (RFC 7946, 3.1.4 and 3.2). The
    properties are the caller's plus `coordTimes` (RFC 3339; the name that map tools know) and `speeds_kph`
    (null where not reported), one entry for each position.
    """
    positions = [_position(fix) for fix in fixes]
    geometry: dict[str, object] | None
    if len(positions) > 1:
        geometry = {"type": "LineString", "coordinates": positions}
    elif positions:
        geometry = {"type": "Point", "coordinates": positions[0]}
    else:
        geometry = None
    return {
        "type": "Feature",
        "geometry": geometry,
        "properties": {
            **properties,
            "coordTimes": [_rfc3339(fix.ts) for fix in fixes],
            "speeds_kph": [fix.speed_kph for fix in fixes],
        },
    }


def to_gpx(fixes: Sequence[Fix], name: str) -> str:
    """Return a GPX 1.1 document with one track of that name; characters that XML cannot hold are dropped."""
    segment = GPXTrackSegment([_track_point(fix) for fix in fixes])
    track = GPXTrack(name=_NOT_XML.sub("", name))
    track.segments.append(segment)
    document = GPX()
    document.creator = "DriveFlow"
    document.nsmap["gpxtpx"] = TRACK_POINT_EXTENSION
    if fixes:
        document.time = fixes[0].ts
    document.tracks.append(track)
    return document.to_xml(version="1.1")


def _position(fix: Fix) -> list[float]:
    return [round(fix.lng, COORDINATE_DECIMALS), round(fix.lat, COORDINATE_DECIMALS)]


def _rfc3339(ts: datetime) -> str:
    return ts.isoformat().replace("+00:00", "Z")


def _track_point(fix: Fix) -> GPXTrackPoint:
    lng, lat = _position(fix)
    point = GPXTrackPoint(latitude=lat, longitude=lng, time=fix.ts)
    if fix.speed_kph is not None:
        extension = Element(f"{{{TRACK_POINT_EXTENSION}}}TrackPointExtension")
        speed = SubElement(extension, f"{{{TRACK_POINT_EXTENSION}}}speed")
        speed.text = f"{fix.speed_kph / 3.6:.2f}"
        point.extensions.append(extension)
    return point
