"""A stage on which plans run with a scripted model: the demo, and rehearsals of any plan."""
