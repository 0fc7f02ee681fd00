"""Schools and who may act in them: Org, User, UserOrg (members), API keys.

The only package that reads across schools (a user's memberships). Others call its service for the school's
settings; entrypoints call it to authenticate.
"""
