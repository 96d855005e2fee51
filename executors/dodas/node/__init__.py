"""What is shipped to a node: it reads an order, runs its steps, and reports.

``order``, ``packing``, ``tree``, ``images``, ``results`` and ``build`` serve the submit side as well.
"""
