"""SerialEM itself: session, Navigator, open files, variables, dialogs."""
