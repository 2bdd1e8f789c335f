"""The fault lab: real TCP stacks talk over cables that the lab made, and faults are injected on purpose."""
