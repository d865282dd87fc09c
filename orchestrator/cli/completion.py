"""Print what makes a shell complete the words of `voiceagent`.

bash    source <(voiceagent completion bash)           in ~/.bashrc
zsh     source <(voiceagent completion zsh)            in ~/.zshrc
fish    voiceagent completion fish | source            in ~/.config/fish/config.fish
"""

import argparse

SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent completion`."""
    parser.add_argument("shell", choices=SHELLS, help="which shell")


def run(args: argparse.Namespace) -> int:
    """Print the shell's code."""
    from argcomplete.shell_integration import shellcode

    print(shellcode(["voiceagent"], shell=args.shell))
    return 0
