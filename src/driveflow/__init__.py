"""DriveFlow runs a driving school: diary, lessons, GPS trips, money and messages."""

__version__ = "0.1.0"
