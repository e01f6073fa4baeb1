"""az_tree.py: run by az's own Python, prints every command of `az keyvault` with the names of its options, as JSON."""
import json
import sys

from azure.cli.core import get_default_cli
from azure.cli.core.commands import register_cache_arguments
from azure.cli.core.commands.arm import register_global_subscription_argument, register_ids_argument
from knack.events import EVENT_INVOKER_POST_CMD_TBL_CREATE

cli = get_default_cli()
invoker = cli.invocation = cli.invocation_cls(cli_ctx=cli, commands_loader_cls=cli.commands_loader_cls, parser_cls=cli.parser_cls, help_cls=cli.help_cls)
loader = invoker.commands_loader
register_global_subscription_argument(cli)
register_ids_argument(cli)
register_cache_arguments(cli)
loader.load_command_table(["keyvault"])
for name in loader.command_table:
    invoker.data["command_string"] = name
    for one in loader.cmd_to_loader_map[name]:
        one.command_name, one.skip_applicability = name, True
    loader.load_arguments(name)
cli.raise_event(EVENT_INVOKER_POST_CMD_TBL_CREATE, commands_loader=loader)


def options(command):
    """Those that a person can give: not what az fills in itself."""
    names = [str(name) for argument in command.arguments.values() if argument.type.settings.get("action") != "ignore" for name in argument.options_list or []]
    return sorted(name for name in names if name.startswith("-") and name != "--cmd" and not name.startswith("--__"))


json.dump({name: options(command) for name, command in loader.command_table.items() if name.startswith("keyvault ")}, sys.stdout)
