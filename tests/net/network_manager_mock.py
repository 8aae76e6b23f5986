# mypy: ignore-errors
"""python-dbusmock's NetworkManager, with what it lacks for us: IP4Config with name servers, steps of an activation
(StateChanged), passwords, scans, settings replaced as the real one does. A template for
`/usr/bin/python3 -m dbusmock --template`; parameters: see tests/net/network_manager_bus.py.
"""

import uuid

import dbus
import dbusmock
from dbusmock.templates import networkmanager as nm
from dbusmock.templates.networkmanager import *  # noqa: F403 - dbusmock takes the methods out of this module
from gi.repository import GLib

BUS_NAME, MAIN_OBJ, SYSTEM_BUS, IS_OBJECT_MANAGER = nm.BUS_NAME, nm.MAIN_OBJ, True, True
IP4_IFACE = "org.freedesktop.NetworkManager.IP4Config"
SECURITY = "802-11-wireless-security"
# Flags, WpaFlags, RsnFlags of an access point.
FLAGS = {
    "open": (0, 0, 0),
    "wep": (1, 0, 0),
    "wpa2": (1, 0x100 | 0x8, 0x100 | 0x8),
    "wpa3": (1, 0, 0x400 | 0x8),
    "enterprise": (1, 0, 0x200 | 0x8),
}
# How an activation ends badly: states and reasons as NetworkManager 1.42 gives them (device, active connection).
ENDS = {"wrong": (7, 9), "lost": (53, 1), "no_address": (17, 5), "refused": (8, 1)}


def load(mock, parameters):
    nm.load(mock, parameters)
    manager = dbusmock.get_object(nm.MANAGER_OBJ)
    manager.deny = bool(parameters.get("deny"))
    manager.points = {}
    manager.behaviour = {}
    manager.counter = 0
    manager.activate_connection = _activate
    manager.add_and_activate_connection = _add_and_activate
    for number, (interface, servers) in enumerate(dict(parameters.get("ethernet", {})).items()):
        path = mock.AddEthernetDevice(f"e{number}", interface, nm.DeviceState.DISCONNECTED)
        _add_ip4(mock, path, servers)
        settings = {"connection": {"type": "802-3-ethernet", "id": f"Cable {interface}", "uuid": f"cable-{interface}"}}
        connection = _save(mock, settings)
        mock.AddActiveConnection([path], connection, "/", f"e{number}", dbus.UInt32(2))
    if parameters.get("wifi"):
        device = mock.AddWiFiDevice("w0", str(parameters["wifi"]), nm.DeviceState.DISCONNECTED)
        obj = dbusmock.get_object(device)
        obj.AddProperties(
            nm.WIRELESS_DEVICE_IFACE, {"LastScan": dbus.Int64(-1), "ActiveAccessPoint": dbus.ObjectPath("/")}
        )
        _add_ip4(mock, device, ["192.168.78.1"])
        obj.scan_hidden = dict(parameters.get("found_by_scan", {}))
        obj.scan_refused = bool(parameters.get("scan_refused"))
        obj.AddMethod(nm.WIRELESS_DEVICE_IFACE, "RequestScan", "a{sv}", "", "self.scan(self)")
        obj.scan = _scan
        for ssid, values in dict(parameters.get("points", {})).items():
            _add_point(mock, device, ssid, values)
        for ssid, values in dict(parameters.get("saved", {})).items():
            _save(mock, _wifi_settings(ssid, values))


def _add_ip4(mock, device, servers):
    path = device.replace("Devices", "IP4Config")
    data = dbus.Array([{"address": dbus.String(server)} for server in servers], signature="a{sv}")
    mock.AddObject(path, IP4_IFACE, {"NameserverData": data}, [])
    dbusmock.get_object(device).AddProperties(nm.DEVICE_IFACE, {"Ip4Config": dbus.ObjectPath(path)})


def _add_point(mock, device, ssid, values):
    manager = dbusmock.get_object(nm.MANAGER_OBJ)
    manager.counter += 1
    flags = FLAGS[str(values.get("security", "open"))]
    mode, security = nm.InfrastructureMode.NM_802_11_MODE_INFRA, dbus.UInt32(flags[2])
    address = f"02:00:00:00:00:{manager.counter:02x}"
    strength = int(values.get("strength", 50))
    path = mock.AddAccessPoint(device, f"ap{manager.counter}", ssid, address, mode, 2412, 54, strength, security)
    point = dbusmock.get_object(path)
    point.props[nm.ACCESS_POINT_IFACE]["Flags"] = dbus.UInt32(flags[0])
    point.props[nm.ACCESS_POINT_IFACE]["WpaFlags"] = dbus.UInt32(flags[1])
    manager.points[str(ssid)] = path
    manager.behaviour[str(ssid)] = values


def _scan(self):
    if self.scan_refused:
        raise dbus.exceptions.DBusException("busy", name="org.freedesktop.NetworkManager.Device.NotAllowed")

    def done():
        main = dbusmock.get_object(nm.MAIN_OBJ)
        for ssid, values in self.scan_hidden.items():
            _add_point(main, self.path, ssid, values)
        self.UpdateProperties(nm.WIRELESS_DEVICE_IFACE, {"LastScan": dbus.Int64(1000)})

    GLib.timeout_add(50, done)


def _wifi_settings(ssid, values):
    settings = {
        "connection": {
            "type": dbus.String("802-11-wireless"),
            "id": dbus.String(values.get("id", ssid)),
            "uuid": dbus.String(values.get("uuid", str(uuid.uuid4()))),
            "timestamp": dbus.UInt64(1374828522),
            "permissions": dbus.Array([], signature="s"),
        },
        "802-11-wireless": {"ssid": dbus.ByteArray(str(ssid).encode()), "mac-address-blacklist": dbus.Array([], "s")},
        "ipv4": {
            "method": dbus.String("auto"),
            "dns": dbus.Array([dbus.UInt32(16843009)], signature="u"),
            "route-metric": dbus.Int64(-1),
        },
    }
    if "priority" in values:
        settings["connection"]["autoconnect-priority"] = dbus.Int32(values["priority"])
    if "password" in values:
        settings[SECURITY] = {"key-mgmt": dbus.String("wpa-psk"), "psk": dbus.String(values["password"])}
    return settings


def _save(mock, settings):
    path = mock.SettingsAddConnection(settings)
    obj = dbusmock.get_object(path)
    obj.ConnectionUpdate = _update
    obj.ConnectionGetSettings = _settings_without_secrets
    obj.ConnectionGetSecrets = _secrets
    obj.ConnectionDelete = _delete
    return path


def _settings_without_secrets(self):
    return {
        group: dbus.Dictionary({key: value for key, value in values.items() if key != "psk"}, signature="sv")
        for group, values in self.settings.items()
    }


def _secrets(self, group):
    found = {key: value for key, value in self.settings.get(group, {}).items() if key == "psk"}
    return {str(group): dbus.Dictionary(found, signature="sv")}


def _update(self, settings):
    """Replaces all, keeps saved secrets when there are none, refuses values of another type, as the real one does."""
    if dbusmock.get_object(nm.MANAGER_OBJ).deny:
        raise dbus.exceptions.DBusException(
            "Insufficient privileges", name="org.freedesktop.NetworkManager.Settings.PermissionDenied"
        )
    for group, values in self.settings.items():
        for key, value in values.items():
            given = settings.get(group, {}).get(key, value)
            if type(given) is not type(value) and not isinstance(given, type(value)) and not _both_bytes(given, value):
                raise dbus.exceptions.DBusException(
                    f"{group}.{key}: {type(given)}, not {type(value)}",
                    name="org.freedesktop.NetworkManager.Settings.Connection.InvalidProperty",
                )
    secret = self.settings.get(SECURITY, {}).get("psk")
    self.settings = {str(group): dict(values) for group, values in settings.items()}
    if secret is not None:
        self.settings.setdefault(SECURITY, {}).setdefault("psk", secret)
    self.EmitSignal(nm.CSETTINGS_IFACE, "Updated", "", [])


def _both_bytes(given, value):
    return {type(given), type(value)} <= {dbus.ByteArray, dbus.Array}


def _delete(self):
    settings_obj = dbusmock.get_object(nm.SETTINGS_OBJ)
    left = [path for path in settings_obj.ListConnections() if path != self.connection_path]
    settings_obj.Set(nm.SETTINGS_IFACE, "Connections", dbus.Array(left, signature="o"))
    self.RemoveObject(self.connection_path)


def _ssid_of(connection):
    octets = dbusmock.get_object(connection).settings.get("802-11-wireless", {}).get("ssid", b"")
    return bytes(octets).decode()


def _activate(self, connection, device, point):
    main = dbusmock.get_object(nm.MAIN_OBJ)
    manager = dbusmock.get_object(nm.MANAGER_OBJ)
    manager.counter += 1
    ssid = _ssid_of(connection)
    behaviour = manager.behaviour.get(ssid, {"how": "lost"})
    active = main.AddActiveConnection([], connection, point, f"a{manager.counter}", dbus.UInt32(1))
    device_obj = dbusmock.get_object(device)
    secret = dbusmock.get_object(connection).settings.get(SECURITY, {}).get("psk")
    how = str(behaviour.get("how", "up"))
    if behaviour.get("password") not in (None, secret):
        how = "wrong"

    def step(state, old, reason):
        device_obj.EmitSignal(nm.DEVICE_IFACE, "StateChanged", "uuu", [dbus.UInt32(x) for x in (state, old, reason)])

    def ended():
        active_obj = dbusmock.get_object(active)
        if how == "up":
            step(nm.DeviceState.ACTIVATED, nm.DeviceState.IP_CONFIG, 0)
            device_obj.Set(nm.DEVICE_IFACE, "ActiveConnection", dbus.ObjectPath(active))
            if ssid in manager.points:
                device_obj.Set(nm.WIRELESS_DEVICE_IFACE, "ActiveAccessPoint", dbus.ObjectPath(manager.points[ssid]))
            state, reason = 2, 1
        else:
            device_reason, reason = ENDS[how]
            step(nm.DeviceState.FAILED, nm.DeviceState.CONFIG, device_reason)
            state = 4
        active_obj.UpdateProperties(nm.ACTIVE_CONNECTION_IFACE, {"State": dbus.UInt32(state)})
        active_obj.EmitSignal(
            nm.ACTIVE_CONNECTION_IFACE, "StateChanged", "uu", [dbus.UInt32(state), dbus.UInt32(reason)]
        )

    step(nm.DeviceState.PREPARE, nm.DeviceState.DISCONNECTED, 0)
    if how != "never":
        GLib.timeout_add(60, ended)
    return dbus.ObjectPath(active)


def _add_and_activate(self, settings, device, point):
    if dbusmock.get_object(nm.MANAGER_OBJ).deny:
        raise dbus.exceptions.DBusException("Not authorized", name="org.freedesktop.NetworkManager.PermissionDenied")
    settings = {str(group): dict(values) for group, values in settings.items()}
    settings["connection"]["uuid"] = dbus.String(uuid.uuid4())
    path = dbus.ObjectPath(_save(dbusmock.get_object(nm.MAIN_OBJ), settings))
    return (path, _activate(self, path, device, point))


@dbus.service.method("org.dialtone.Test", in_signature="s", out_signature="a{sa{sv}}")
def SettingsWithSecrets(self, uuid_wanted):
    for path in dbusmock.get_object(nm.SETTINGS_OBJ).ListConnections():
        settings = dbusmock.get_object(path).settings
        if settings["connection"]["uuid"] == uuid_wanted:
            return dbus.Dictionary(
                {group: dbus.Dictionary(values, signature="sv") for group, values in settings.items()}
            )
    raise dbus.exceptions.DBusException("no such connection")


@dbus.service.method("org.dialtone.Test", in_signature="sas", out_signature="")
def SetNameservers(self, device, servers):
    path = f"/org/freedesktop/NetworkManager/IP4Config/{device}"
    data = dbus.Array([{"address": dbus.String(server)} for server in servers], signature="a{sv}")
    dbusmock.get_object(path).UpdateProperties(IP4_IFACE, {"NameserverData": data})


@dbus.service.method("org.dialtone.Test", in_signature="u", out_signature="")
def Storm(self, count):
    """Signals as fast as they can be sent."""
    manager = dbusmock.get_object(nm.MANAGER_OBJ)
    for number in range(count):
        manager.EmitSignal(nm.MANAGER_IFACE, "StateChanged", "u", [dbus.UInt32(number)])
