"""Images made of Debian packages: no root, no registry, no container engine.

:mod:`.debs` fetches packages and unpacks them, :mod:`.configure` does what their maintainer scripts would,
:mod:`.archive` writes the image, :mod:`.build` does all of it and keeps what was built.  Fetching and
unpacking need the standard library only, because the project's set-up does it before anything is installed.
"""
