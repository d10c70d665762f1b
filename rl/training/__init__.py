"""How policies are trained: losses, the two loops (simulated rooms, logged steps), and what is shown meanwhile."""
