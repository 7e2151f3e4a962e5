"""`python -m iconoclip` is the command, where its program is not on the PATH."""

from iconoclip.cli import console, leave_working_folder_out

if __name__ == "__main__":
    leave_working_folder_out()
    console()
