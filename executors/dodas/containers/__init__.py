"""Images, prepared root file systems, and the engines that run a command in one."""
