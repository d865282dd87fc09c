"""Print what makes a shell complete the words of `voiceagent`.

bash    source <(voiceagent completion bash)           in ~/.bashrc
zsh     source <(voiceagent completion zsh)            in ~/.zshrc
fish    voiceagent completion fish | source            in ~/.config/fish/config.fish
"""

import argparse

SHELLS = ("bash", "zsh", "fish")
COMPINIT = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }"
"""A new ~/.zshrc has not turned completion on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent completion`."""
    parser.add_argument("shell", choices=SHELLS, help="which shell")


def run(args: argparse.Namespace) -> int:
    """Print the shell's code."""
    from argcomplete.shell_integration import shellcode

    code = shellcode(["voiceagent"], shell=args.shell)
    if args.shell == "zsh":
        first, _, rest = code.partition("\n")  # the first line must stay first: zsh reads it in a folder of $fpath
        code = f"{first}\n{COMPINIT}\n{rest}"
    print(code)
    return 0
