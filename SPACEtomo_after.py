#!Python
# SPACEtomo after an item, where SPACEtomo itself runs on another computer: see docs/external.md.
# In the Acquire at Items dialog, choose this as "Run Script after Action". It says that an item is
# done, carries out what the other computer asks for, and ends. Python 3.6 is enough, without any
# package.

FOLDER = ""  # folder SPACE_line of the session as this computer names it; "" = beside the .nav file
WAIT_S = 300  # seconds; for how long the other computer may leave an item without an order
LIMIT_S = 3600  # seconds; for how long it may then think between two orders

# ----------------------------------------------------------------------------------------------
import json
import os
import time

import serialem as sem

PAUSE_S = 0.03


def write(name, data):
    # The other computer sees the file whole or not at all.
    path = os.path.join(folder, name)
    with open(path + ".new", "wb") as file:
        file.write(data)
    for _ in range(200):
        try:
            os.replace(path + ".new", path)
            return
        except OSError:  # the other computer is reading it
            time.sleep(PAUSE_S)
    os.replace(path + ".new", path)


def write_table(name, table):
    write(name, json.dumps(table).encode("utf-8"))


def order(number):
    try:
        with open(os.path.join(folder, "order.json"), "rb") as file:
            found = json.loads(file.read().decode("utf-8"))
    except (OSError, ValueError):  # it is being replaced
        return None
    return found if found.get("token") == token and found.get("number") == number else None


def carried_out(name, args):
    if name.startswith("_") or not hasattr(sem, name):
        return {"error": "SEMmoduleError", "text": "There is no command " + name}
    try:
        if name == "bufferImage":
            view = memoryview(sem.bufferImage(*args))
            write("answer.bin", view.tobytes())
            return {"format": view.format, "shape": list(view.shape)}
        return {"value": getattr(sem, name)(*args)}
    except sem.SEMerror as error:
        return {"error": "SEMerror", "text": str(error)}
    except (sem.SEMmoduleError, SystemError, TypeError) as error:
        return {"error": "SEMmoduleError", "text": str(error)}


def obey():
    number, since, patience = 1, time.time(), WAIT_S
    while time.time() - since < patience:
        found = order(number)
        if found is None:
            time.sleep(PAUSE_S)
            continue
        if found.get("end"):
            return True
        answer = carried_out(found["call"], found["args"])
        answer.update({"token": token, "number": number})
        write_table("answer.json", answer)
        number, since, patience = number + 1, time.time(), LIMIT_S
    return False


def say(text):
    sem.EchoBreakLines("SPACEtomo: " + text + " The acquisition goes on without it.")


token = str(int(time.time() * 1000)) + "-" + str(os.getpid())
# A script that fails would end the acquisition.
try:
    sem.NoMessageBoxOnError(1)
    sem.SaveNavigator()  # SerialEM has just turned Acquire off for the item; the file keeps that
    folder = FOLDER or os.path.join(os.path.dirname(sem.ReportNavFile()), "SPACE_line")
    if not os.path.isdir(folder):
        say("there is no folder " + folder + ".")
    else:
        write_table("item.json", {"token": token})
        if not obey():
            say("the other computer does not answer. Is spacetomo run still running there?")
        write_table("item.json", {"token": ""})
except (sem.SEMerror, sem.SEMmoduleError, OSError, ValueError, KeyError) as error:
    say("the script after the item failed (" + repr(error) + ").")
