"""Files of workflows on WebDAV storage and Dynafed federations: ``storage("davs://dynafed.example.org/vo/x")``.

Snakemake imports this package at every start, in every worker too.  It therefore imports nothing but the
interface; the client, :mod:`dodas.staging`, comes in when the first question is asked.
"""

from snakemake_storage_plugin_dynafed.objects import StorageObject
from snakemake_storage_plugin_dynafed.provider import StorageProvider
from snakemake_storage_plugin_dynafed.settings import StorageProviderSettings

__all__ = ["StorageObject", "StorageProvider", "StorageProviderSettings"]
