"""The pages of the app, one file each: widgets in, core calls, charts out."""
