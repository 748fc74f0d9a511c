"""`python -m rawserver` is the command `rawserver`."""

from rawserver.cli.main import main

if __name__ == "__main__":
    main()
