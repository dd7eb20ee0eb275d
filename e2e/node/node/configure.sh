# What kind's own base image does to its Debian, and how this node differs. Run once, while the image is built.
set -eu

# A node runs kubelet and containerd, and of the rest as little as possible.
units=/etc/systemd/system
rm -f /lib/systemd/system/multi-user.target.wants/* $units/*.wants/*
rm -f /lib/systemd/system/local-fs.target.wants/* /lib/systemd/system/basic.target.wants/*
rm -f /lib/systemd/system/sockets.target.wants/*udev* /lib/systemd/system/sockets.target.wants/*initctl*
rm -f /lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service
ln -sf /dev/null $units/systemd-binfmt.service
echo ReadKMsg=no >>/etc/systemd/journald.conf
mv /kind/import-images.service /kind/services-stay.service $units/
mkdir -p $units/multi-user.target.wants
for unit in kubelet containerd undo-mount-hacks import-images services-stay; do
	ln -s $units/$unit.service $units/multi-user.target.wants/
done

# As with the control plane (patches/): memory is cheaper here than processor time.
for unit in kubelet containerd; do
	mkdir -p $units/$unit.service.d
	printf '[Service]\nEnvironment=GOGC=400\n' >$units/$unit.service.d/20-memory.conf
done

# Pods keep the node's limits: kind's are more than a small machine gives.
ctr oci spec |
	jq '.hooks.createContainer += [{"path": "/kind/bin/mount-product-files.sh"}] | del(.process.rlimits)' \
		>/etc/containerd/cri-base.json
ln -s /usr/bin/containerd /usr/local/bin/containerd

# One node needs no kindnet: a bridge does.
mkdir -p /opt/cni/bin /etc/cni/net.d /etc/kubernetes/manifests
cp /usr/lib/cni/* /opt/cni/bin/
mv /kind/10-bridge.conflist /etc/cni/net.d/
